"""Folders that are written aside and put in place whole, and found again whenever a kill cut that short."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import IO

from ganzoo.errors import BusyError

try:
    import fcntl as fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


def sibling_path(folder: Path, word: str) -> Path:
    """Return the hidden folder beside another that holds its ``new`` or its ``old`` contents."""
    return folder.with_name(f".{folder.name}.{word}")


def find_complete(folder: Path, mark: str) -> Path | None:
    """Return the folder that is whole just now: itself, or what it was when a replacement was cut short.

    Nothing is renamed, so that reading never disturbs whoever writes.

    Args:
        folder: where it belongs.
        mark: the file that is written last.
    """
    return next((one for one in (folder, sibling_path(folder, "old")) if (one / mark).is_file()), None)


def repair_replacement(folder: Path, mark: str) -> Path | None:
    """Undo a replacement that was cut short; return the folder, or None. For the process that owns it."""
    found = find_complete(folder, mark)
    return found.rename(folder) if found and found != folder else found


def replace_folder(folder: Path, mark: str) -> None:
    """Replace a folder by its ``new`` sibling; between the two renames ``find_complete`` finds the old one."""
    old = sibling_path(folder, "old")
    repair_replacement(folder, mark)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    sibling_path(folder, "new").rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def flush_to_disk(file: Path) -> None:
    """Have the system write a file's contents to the disk."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


def lock_file(file: Path, busy: str) -> IO[str] | None:
    """Lock a file for this process, until it ends in whatever way; None where the file system knows no locks.

    Raises BusyError, saying ``busy``, when another process holds it.
    """
    try:
        return _lock(file, wait=False)
    except BlockingIOError:
        raise BusyError(busy) from None


def wait_for_lock(file: Path) -> IO[str] | None:
    """Lock a file as ``lock_file`` does, but wait while another process holds it. Closing it unlocks it."""
    return _lock(file, wait=True)


def _lock(file: Path, *, wait: bool) -> IO[str] | None:
    if fcntl is None:
        return None
    try:
        lock = file.open("w")
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:
        return None
    return lock
