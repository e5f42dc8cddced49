"""Plan the files of ``ganzoo translate``, before any is written: names, formats, conflicts."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_files import find_images, is_image, is_video
from ganzoo.data.image_io import QUALITY, open_image, page_numbers
from ganzoo.data.video_writer import VideoForm, video_form
from ganzoo.errors import GanzooError
from ganzoo.inference.pages import page_label
from ganzoo.utils.paths import file_key, is_within, name_key, require_folder

FORMATS = ("png", "jpg", "webp", "tif", "npy")
"""The formats of translations, each named as the suffix of its files."""
SPELLINGS = {".jpeg": ".jpg", ".tiff": ".tif"}
"""Other suffixes of these formats, which a user may give to one file."""
LOSSY = (".jpg", ".webp")
"""The suffixes of formats with a quality."""
TRANSPARENT = (".png", ".webp", ".tif")
"""The suffixes of formats that hold transparency."""
FRAME = re.compile(r"(.+)-\d{6,}")
"""The names of a video's frames, without a suffix; the first group is the video's."""


@dataclass(frozen=True)
class Output:
    """Where translations go, and in which form.

    Args:
        out: the folder for them, or for one image the file.
        is_file: whether ``out`` is the file.
        suffix: the suffix of the files, ``.png``.
        ending: the end of each name before the suffix, such as ``_photo``.
        quality: 1 … 100, for JPEG and WebP.
        codec, crf: the codec of videos and its factor, as ``video_form`` takes them.
    """

    out: Path
    is_file: bool = False
    suffix: str = ".png"
    ending: str = ""
    quality: int = QUALITY
    codec: str = ""
    crf: int | None = None

    def video_form(self, source: Path) -> VideoForm:
        """Return how the translation of a video is written: under its own suffix, if videos are written so.

        Raises GanzooError as ``video_form``.
        """
        return video_form(self.out if self.is_file else source, self.codec, self.crf, fixed=self.is_file)

    def suffix_for(self, source: Path) -> str:
        """Return the suffix of the translation of a file."""
        return self.video_form(source).suffix if is_video(source.name) else self.suffix

    def named(self, target: Path, page: str = "") -> Path:
        """Return the path of a translation: that of its image's translation, with the page and the ending.

        >>> str(Output(Path("out"), ending="_photo").named(Path("out/a.png"), "-000"))
        'out/a-000_photo.png'
        """
        return target if self.is_file else target.with_name(f"{target.stem}{page}{self.ending}{target.suffix}")

    def mask_path(self, source: Path, target: Path) -> Path:
        """Return the path of an image's mask in a folder of masks, without a suffix.

        >>> str(Output(Path("out")).mask_path(Path("photos/deep/a.jpg"), Path("out/deep/a.png")))
        'deep/a'
        """
        return (Path(source.name) if self.is_file else target.relative_to(self.out)).with_suffix("")


def read_output(
    domain_io: DomainIO,
    out: Path,
    form: str = "",
    quality: int | None = None,
    ending: str = "",
    codec: str = "",
    crf: int | None = None,
) -> Output:
    """Return where and how to write, by the options of the command and the domain of the translations.

    Args:
        domain_io: the domain of the translations, which decides the possible formats.
        out: the folder for the translations, or for one image the file, whose suffix then selects the format.
        form: one of ``FORMATS``; empty: the usual one of the domain.
        quality: 1 … 100, for JPEG and WebP.
        ending: the end of each name before the suffix.
        codec, crf: for videos, see ``video_form``.

    Raises:
        GanzooError: the format cannot hold the domain's images, two options contradict each other, the ending cannot be
            part of a name, a file is where the folder is to be, or the folder cannot be written.
    """
    suffix = f".{form}" if form else domain_io.suffix
    is_file = (is_image(out.name) or is_video(out.name)) and not out.is_dir()
    if is_file and not is_video(out.name):
        own = SPELLINGS.get(out.suffix.lower(), out.suffix.lower())
        if own.removeprefix(".") not in FORMATS or (form and own != suffix):
            wanted = suffix if form else ", ".join(domain_io.suffixes)
            raise GanzooError(
                f"-o: {out} is a {out.suffix} file; give a folder, or for one image a name that ends in {wanted}"
            )
        suffix = own
    require_folder("-o", out.parent if is_file else out)
    if is_file and ending:
        raise GanzooError(f"--suffix: -o names the file, {out}; put {ending!r} into this name")
    if suffix not in domain_io.suffixes:
        possible = ", ".join(one.removeprefix(".") for one in domain_io.suffixes)
        raise GanzooError(
            f"{'--format' if form else '-o'}: {suffix} files cannot hold the translations, {_describe(domain_io)}; "
            f"choose {possible}"
        )
    if quality is not None and suffix not in LOSSY:
        raise GanzooError(f"--quality: {suffix} files have no quality; choose --format jpg or webp, or remove it")
    if os.path.basename(ending) != ending or not ending.isprintable():
        raise GanzooError(f"--suffix: {ending!r} cannot be the end of a file's name; use letters, as in _photo")
    return Output(out, is_file, suffix, ending, QUALITY if quality is None else quality, codec, crf)


def _describe(domain_io: DomainIO) -> str:
    """Return what the images of a domain are, for a message about formats that lose it."""
    if domain_io.classes:
        return "label maps, whose pixels are classes"
    if domain_io.channels not in (1, 3):
        return f"which have {domain_io.channels} channels"
    return "whose values have more than 8 bits"


def plan_outputs(inputs: Sequence[Path], output: Output) -> list[tuple[Path, Path]]:
    """Return pairs of (image or video, path of its translation without the ending).

    The images of a folder keep their relative paths below ``output.out``; a single file goes directly into it. Two
    images that differ only in their file extension keep it in the name (``a.jpg.png``). Names that differ only in case
    count as equal, as they are on many file systems. If ``out`` is a file, it is the translation of the only input.

    Args:
        inputs: images and folders of images.
        output: where the translations go.

    Raises:
        GanzooError: two translations would have the same path, one would overwrite a source, ``out`` is within a
            folder of inputs, so that the next call would translate the translations, or it is a file for several images
            or pages.
    """
    pairs = _pair(inputs, output)
    check_read([source for source, _ in pairs], pairs, output)
    _refuse_page_conflicts({target: source for source, target in pairs}, output)
    return pairs


def check_read(
    read: Sequence[Path], pairs: Sequence[tuple[Path, Path]], output: Output, labels: Sequence[Path] = (Path(),)
) -> None:
    """Raise GanzooError if a translation, or that of a page, would replace a file that is read.

    Args:
        read: the files that are read.
        pairs: what ``plan_outputs`` returns.
        output: where the translations go.
        labels: the subfolders of ``output.out`` for the translations with each mask and style.
    """
    keys = {file_key(one): one for one in read}
    paged: defaultdict[tuple[object, str], list[tuple[Path, str]]] = defaultdict(list)
    """Folder and name of a translation → files with the names that those of its pages would have, and the pages."""
    for one in [] if output.is_file else read:
        if match := re.fullmatch(rf"(.+)(-\d{{3,}}){re.escape(output.ending)}", one.stem):
            name = name_key(Path(f"{match[1]}{one.suffix}"))
            paged[file_key(one.parent), name].append((one, match[2]))
    for label, (source, target) in product(labels, pairs) if keys else ():
        place = target if output.is_file else output.out / label / target.relative_to(output.out)
        overwritten = keys.get(file_key(output.named(place)))
        for one, page in paged.get((file_key(place.parent), name_key(Path(place.name))), ()) if paged else ():
            if page in map(page_label, range(count_pages(source))):
                overwritten = one
        if overwritten:
            whose = "its translation" if overwritten == source else f"the translation of {source}"
            raise GanzooError(f"{overwritten} would be overwritten by {whose}: choose another folder or name with -o")


def check_folders(folders: Iterable[Path], inputs: Sequence[Path], read: Sequence[Path]) -> None:
    """Raise GanzooError if files would be written over images or masks that are read.

    Args:
        folders: the folders, below those of the user, for the translations of each mask and style and for masks.
        inputs: images and folders of images.
        read: the masks and the images of styles that the user provides, or folders of them.
    """
    for folder in folders:
        for path in (*inputs, *read):
            if is_within(path, folder) or (path in inputs and path.is_dir() and is_within(folder, path)):
                raise GanzooError(
                    f"{folder}: files would be written there, and {path} is read: they could replace one another; "
                    "choose another folder"
                )


def check_masks(pairs: Sequence[tuple[Path, Path]], output: Output, label: Path, folders: Sequence[Path]) -> None:
    """Raise GanzooError if files of ``--save-masks`` would replace one another, or translations.

    Args:
        pairs: what ``plan_outputs`` returns.
        output: where the translations go.
        label: the subfolder of the translations with one mask and style.
        folders: the folders of the masks of these translations, one for each role.
    """
    out = output.out
    places = {out.parent if output.is_file else out / label / target.relative_to(out).parent for _, target in pairs}
    for folder in folders:
        require_folder("--save-masks", folder)
        for place in sorted(places):
            if is_within(place, folder):
                raise GanzooError(
                    f"--save-masks: translations would be written into {folder}, as the masks: they could replace one "
                    "another; choose another folder"
                )
    videos: dict[str, Path] = {}
    for source, target in [pair for pair in pairs if is_video(pair[0].name)]:
        if (other := videos.setdefault(name_key(target.with_suffix("")), source)) is not source:
            raise GanzooError(
                f"--save-masks: the masks of the frames of {source} would replace those of {other}: rename it, or "
                "translate it separately"
            )
    for source, target in [pair for pair in pairs if not is_video(pair[0].name)]:
        match = FRAME.fullmatch(target.stem)
        if match and (video := videos.get(name_key(target.with_name(match[1])))):
            raise GanzooError(
                f"--save-masks: the mask of {source} could replace that of a frame of {video}: rename it, or translate "
                "it separately"
            )


def _pair(inputs: Sequence[Path], output: Output) -> list[tuple[Path, Path]]:
    """Return pairs of (image, path of its translation). Raises GanzooError as ``plan_outputs``."""
    out = output.out
    if output.is_file:
        if len(inputs) != 1 or inputs[0].is_dir():
            raise GanzooError(f"-o: {out} is one file for several images; give a folder")
        if is_video(out.name) != is_video(inputs[0].name):
            kinds = ["an image", "a video"]
            raise GanzooError(
                f"-o: {out} is {kinds[is_video(out.name)]}, but {inputs[0]} is {kinds[is_video(inputs[0].name)]}; give "
                "a name of its kind, or a folder"
            )
        if is_video(out.name):
            output.video_form(inputs[0])
        return [(inputs[0], out)]
    pairs: list[tuple[Path, Path]] = []
    for path in inputs:
        if path.is_dir():
            if is_within(out, path):
                raise GanzooError(
                    f"-o: {out} is in the folder of the images, {path}, so the next call would translate the "
                    "translations: choose a folder outside"
                )
            pairs += [(file, file.relative_to(path)) for file in find_images(path, videos=True)]
        else:
            pairs.append((path, Path(path.name)))
    names = [relative.with_suffix(output.suffix_for(source)) for source, relative in pairs]
    uses = Counter(map(name_key, names))
    planned: dict[str, tuple[Path, Path]] = {}
    for (source, relative), name in zip(pairs, names, strict=True):
        target = out / (name if uses[name_key(name)] == 1 else f"{relative}{name.suffix}")
        other, taken = planned.setdefault(name_key(target), (source, target))
        if taken is not target:
            both = target if taken == target else f"{taken} and {target}, one file where case does not count"
            raise GanzooError(f"{source} and {other} would both become {both}: translate them separately")
    return list(planned.values())


def _refuse_page_conflicts(sources: dict[Path, Path], output: Output) -> None:
    """Raise GanzooError if a page of a file and another image would have the same path, or if ``out`` is one file.

    Only files whose pages could conflict are opened.

    Args:
        sources: path of a translation → image.
        output: where the translations go.
    """
    if output.is_file and (pages := count_pages(sources[output.out])) > 1:
        raise GanzooError(f"-o: {output.out} is one file, but {sources[output.out]} has {pages} pages; give a folder")
    counted = cache(count_pages)
    by_name = {name_key(target): source for target, source in sources.items()}
    for target, source in sources.items():
        match = re.fullmatch(r"(.+)(-\d{3,})", target.stem)
        paged = by_name.get(name_key(target.with_name(f"{match[1]}{target.suffix}"))) if match else None
        if match and paged and match[2] in map(page_label, range(counted(paged))):
            raise GanzooError(
                f"{source}: its translation would replace that of a page of {paged}, {output.named(target)}: rename it"
            )


def count_pages(path: Path) -> int:
    """Return the number of pages or frames of an image file, 0 if it has one; a file that cannot be read has none."""
    if path.suffix.lower() == ".npy":
        return 0
    try:
        with open_image(path) as image:
            pages = len(page_numbers(image))
    except GanzooError:  # it is reported when it is read
        return 0
    return pages if pages > 1 else 0
