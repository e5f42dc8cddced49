"""Rules for the members of archives, and the reading of their bytes; ``zip_files`` and ``tar_shards`` use it."""

from __future__ import annotations

import re
from pathlib import Path

from ganzoo.interfaces import GanzooError, format_bytes, open_regular

MOST_BYTES = 2**30
"""The size of a member from which on it is refused: archives of a few kilobytes can unpack to terabytes."""


def is_hidden(name: str) -> bool:
    """Return whether a member's name, or that of a folder around it, begins with a dot; such files are skipped.

    >>> is_hidden("__MACOSX/._a.png"), is_hidden("a/b.png"), is_hidden("a/../b.png")
    (True, False, False)
    """
    return any(part.startswith(".") and part not in (".", "..") for part in name.split("/"))


def has_safe_path(name: str) -> bool:
    """Return whether a member's name is a path that stays in the archive's folder, without control characters.

    >>> [has_safe_path(name) for name in ("a/b.png", "../b.png", "/b.png", "C:/b.png", "a\\nb.png")]
    [True, False, False, False, False]
    """
    outside = name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/")
    return not outside and not re.search(r"[\x00-\x1f\x7f]", name)


def normal_name(name: str) -> str:
    """Return a member's name with forward slashes and without ``./``.

    >>> normal_name("./a\\\\b.png")
    'a/b.png'
    """
    name = name.replace("\\", "/")
    start = "/" if name.startswith("/") else ""
    return start + "/".join(part for part in name.split("/") if part not in ("", "."))


def refuse_large(where: object, size: int) -> None:
    """Raise GanzooError for a member that takes more than ``MOST_BYTES``."""
    if size > MOST_BYTES:
        raise GanzooError(
            f"{where}: it takes {format_bytes(size)}, and an image in an archive may take {format_bytes(MOST_BYTES)}; "
            "unpack the archive, or remove it"
        )


def read_part(container: Path, start: int, size: int) -> bytes:
    """Return a part of a file, which is shorter than ``size`` at the file's end. Raises OSError.

    The file is opened anew, so threads share no position in it.
    """
    with open_regular(container) as file:
        file.seek(start)
        return file.read(size)
