"""Find the image files of a folder and count the other files; data sets and ``ganzoo translate`` use it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

from PIL import features

from ganzoo.errors import GanzooError, MissingResourceError, suggest

HEIF_SUFFIXES = (".heic", ".heif")
"""Endings that need the package pillow-heif, ganzoo's extra ``heif``."""
IMAGE_SUFFIXES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".tga", ".jp2"),
    *(".pbm", ".pgm", ".ppm", ".pnm", ".npy"),
    *((".avif",) if "avif" in features.modules and features.check("avif") else ()),
    *(HEIF_SUFFIXES if find_spec("pillow_heif") else ()),
)
"""Endings of the files that ganzoo reads on this machine, in lower case."""


VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".mts", ".m2ts"),
    *(".wmv", ".flv", ".3gp", ".ogv"),
)
"""Endings of the videos that ``ganzoo translate`` reads with PyAV, ganzoo's extra ``video``, in lower case."""


def is_image(name: str) -> bool:
    """Return whether a file's name has one of ``IMAGE_SUFFIXES``, in upper or lower case."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES


def is_video(name: str) -> bool:
    """Return whether a file's name has one of ``VIDEO_SUFFIXES``, in upper or lower case."""
    return os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES


def has_video() -> bool:
    """Return whether PyAV, which reads and writes videos, is installed."""
    return find_spec("av") is not None


def image_names(folder: Path, hint: str = "check the path", *, videos: bool = False) -> list[str]:
    """Return the POSIX paths, relative to a folder, of all images below it, sorted.

    A file counts as an image by its suffix: see ``IMAGE_SUFFIXES``. Hidden files and folders are skipped. Links to
    folders are followed, except back to a folder that contains them. ``hint`` says what to do when the folder does not
    exist. With ``videos`` the videos are listed, too, if they can be read here.

    Raises:
        MissingResourceError: the folder does not exist.
        GanzooError: it is not a folder, it or one below it cannot be read, or the name of an image has a line break,
            which would split the messages about it.
    """
    videos = videos and has_video()
    names = sorted(name for name in _files(folder, hint) if is_image(name) or (videos and is_video(name)))
    for name in names:
        if "\n" in name:
            raise GanzooError(f"{folder}: the name of an image has a line break, {name!r}; rename it")
    return names


def find_images(folder: Path, hint: str = "check the path", *, videos: bool = False) -> list[Path]:
    """Return the paths of all images below a folder, sorted by ``image_names``, which has the same arguments."""
    return [Path(folder, name) for name in image_names(folder, hint, videos=videos)]


def has_images(folder: Path) -> bool:
    """Return whether there is an image in a folder or below it. Raises GanzooError as ``find_images``."""
    return any(map(is_image, _files(folder)))


def describe_skipped(folder: Path, *, videos: bool = False) -> str:
    """Return a sentence with the number of files below a folder that are no images, by ending; empty without any.

    Hidden files are not counted; with ``videos`` those that can be read here are not, either. Raises GanzooError as
    ``find_images``.
    """
    read = videos and has_video()
    names = [name for name in _files(folder) if not (is_image(name) or (read and is_video(name)))]
    skipped = describe_unread(folder, names)
    missing = videos and not read and any(map(is_video, names))
    return f"{skipped}; for videos install ganzoo-i2i[video]" if missing else skipped


def describe_unread(where: object, names: Iterable[str]) -> str:
    """Return a sentence with the number of files that are not read, by ending; empty without any.

    >>> describe_unread("photos.zip", ["a.txt", "b.TXT", "c"])
    'photos.zip: 3 files are not read: 1 without an ending, 2 .txt'
    """
    endings = Counter(os.path.splitext(name)[1].lower() for name in names)
    if not endings:
        return ""
    listed = ", ".join(f"{count} {ending or 'without an ending'}" for ending, count in sorted(endings.items()))
    total = sum(endings.values())
    advice = "; for .heic and .heif install ganzoo-i2i[heif]" if any(one in endings for one in HEIF_SUFFIXES) else ""
    return f"{where}: {total} {'file is' if total == 1 else 'files are'} not read: {listed}{advice}"


def _files(folder: Path, hint: str = "check the path") -> Iterator[str]:
    """Yield the relative POSIX paths of all files below a folder that are not hidden.

    None comes twice because of a link to a folder around it. Each folder is opened once, and no file is looked at:
    a folder's listing tells files from folders, except for links.
    """
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, inner) if inner else folder) as listing:
                entries = [entry for entry in listing if not entry.name.startswith(".")]
        except OSError as error:
            raise _unlistable(error, hint) from error
        for entry in entries:
            name = f"{inner}/{entry.name}" if inner else entry.name
            if not _is_folder(entry):
                yield name
            elif not (entry.is_symlink() and _leads_back(Path(entry.path), folder)):
                waiting.append(name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _leads_back(link: Path, top: Path) -> bool:
    """Return whether a link leads to a folder that contains it on the way from ``top``."""
    way = [parent for parent in link.parents if parent.is_relative_to(top)]
    return any(parent.resolve().is_relative_to(link.resolve()) for parent in way)


def _unlistable(error: OSError, hint: str) -> GanzooError:
    folder = Path(error.filename)
    if isinstance(error, FileNotFoundError):
        return MissingResourceError(f"{folder}: no such folder; {hint}{_similar_folder(folder)}")
    if isinstance(error, NotADirectoryError):
        return GanzooError(f"{folder}: a file, not a folder; give the folder that holds the images")
    if isinstance(error, PermissionError):
        return GanzooError(f"{folder}: no permission to read this folder; change its mode or owner (chmod, chown)")
    return GanzooError(f"{folder}: it cannot be read ({error.strerror}); check the disk")


def _similar_folder(folder: Path) -> str:
    try:
        names = [path.name for path in folder.parent.iterdir() if path.is_dir()]
    except OSError:
        return ""
    return suggest(folder.name, names) if 0 < len(names) <= 20 else ""
