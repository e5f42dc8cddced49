"""Expand paths, compare them as file systems do, some of which ignore case, and check the places of new files."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError


def expand_path(path: Path) -> Path:
    """Return a path with ``~`` and variables such as ``$HOME`` filled in; unknown ones are left as they are."""
    return Path(os.path.expanduser(os.path.expandvars(path)))


def expand_paths(value: Any) -> Any:
    """Return a value with each path in it expanded, also in lists, tuples and the values of mappings."""
    if isinstance(value, Path):
        return expand_path(value)
    if isinstance(value, dict):
        return {key: expand_paths(one) for key, one in value.items()}
    return type(value)(map(expand_paths, value)) if type(value) in (list, tuple) else value


def file_key(path: str | os.PathLike[str]) -> tuple[int, int] | str:
    """Return what is equal for all paths of one file or folder: links, and spellings that the file system accepts.

    It is the identity that ``os.path.samefile`` compares; for a path without a file, the text of the real path.
    """
    try:
        found = os.stat(path)
    except OSError:
        return os.path.realpath(path)  # Path.resolve fails for a loop of links
    return found.st_dev, found.st_ino


def is_within(path: Path, folder: Path) -> bool:
    """Return whether a path, which need not exist, is a folder or is below it."""
    wanted, real = file_key(folder), Path(os.path.realpath(path))
    return any(file_key(one) == wanted for one in (real, *real.parents))


def name_key(path: Path) -> str:
    """Return what is equal for the paths of two new files if some file system would make one file of them.

    That is so if they differ only in case, or in how accented letters are composed.

    >>> name_key(Path("Deep/É.png")) == name_key(Path("deep/e\\u0301.PNG"))
    True
    """
    return unicodedata.normalize("NFC", str(path).casefold())


def require_folder(option: str, folder: Path) -> None:
    """Raise GanzooError, about an option of the command line, unless a folder can be written, or made."""
    for one in (folder, *folder.parents):
        if os.path.exists(one) and not os.path.isdir(one):
            raise GanzooError(f"{option}: {one} is a file, not a folder; choose another folder")
    nearest = next(filter(os.path.isdir, (folder, *folder.parents)), folder).absolute()
    if not _is_writable(nearest):
        raise GanzooError(
            f"{option}: the folder {nearest} cannot be written; check its permissions or choose another folder"
        )


def require_file_place(option: str, file: Path) -> None:
    """Raise GanzooError, about an option of the command line, unless a file can be in this place."""
    folder = file.absolute().parent
    if file.is_dir() or not folder.is_dir():
        why = "a folder" if file.is_dir() else f"the folder {folder} does not exist"
        raise GanzooError(f"{option} {file}: {why}; name a file in an existing folder")
    if not file.exists() and not _is_writable(folder):
        raise GanzooError(f"{option} {file}: the folder {folder} cannot be written; name a file in another one")


def _is_writable(folder: Path) -> bool:
    """Return whether files can be made in a folder, as far as its permissions say."""
    return os.access(folder, os.W_OK | os.X_OK)
