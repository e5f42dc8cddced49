"""Replace folders atomically, and lock files against other processes."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ganzoo.errors import BusyError

if TYPE_CHECKING:
    from filelock import BaseFileLock


def sibling_path(folder: Path, word: str) -> Path:
    """Return the hidden folder beside another one that holds its ``new`` or its ``old`` contents."""
    return folder.with_name(f".{folder.name}.{word}")


def find_complete(folder: Path, mark: str) -> Path | None:
    """Return the complete folder: ``folder``, or its ``old`` sibling if a replacement was interrupted, or None.

    Nothing is renamed, so reading never disturbs the process that writes.

    Args:
        folder: the final path.
        mark: the file in it that is written last.
    """
    return next((path for path in (folder, sibling_path(folder, "old")) if (path / mark).is_file()), None)


def repair_replacement(folder: Path, mark: str) -> Path | None:
    """Undo an interrupted replacement; return the folder, or None. Only the process that writes it may call this."""
    complete = find_complete(folder, mark)
    return complete.rename(folder) if complete and complete != folder else complete


def replace_folder(folder: Path, mark: str) -> None:
    """Replace a folder by its ``new`` sibling; between the two renames ``find_complete`` returns the old contents."""
    old = sibling_path(folder, "old")
    repair_replacement(folder, mark)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    sibling_path(folder, "new").rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def flush_to_disk(file: Path) -> None:
    """Make the system write a file's contents to the disk."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


class ProcessLock:
    """A lock file of this process. The system releases it when the process ends, even when it is killed."""

    def __init__(self, lock: BaseFileLock | None) -> None:
        self._lock = lock

    @property
    def held(self) -> bool:
        """Whether the file is locked: False after ``release``, and where the file system does not support locks."""
        return self._lock is not None and self._lock.is_locked

    def release(self) -> None:
        """Unlock the file, for other processes. The file stays: deleting it could let two processes hold the lock."""
        if self._lock:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_file(file: Path, busy: str) -> ProcessLock:
    """Lock a file; create it, and folders on its path, if needed.

    Where it cannot be created, or the file system does not support locks, nothing is locked and work continues.
    Raises BusyError with the message ``busy`` when another process holds the lock.
    """
    from filelock import Timeout

    try:
        return _lock(file, wait=False)
    except Timeout:
        raise BusyError(busy) from None


def wait_for_lock(file: Path) -> ProcessLock:
    """Lock a file as ``lock_file`` does, but wait while another process holds the lock."""
    return _lock(file, wait=True)


def _lock(file: Path, *, wait: bool) -> ProcessLock:
    from filelock import FileLock, Timeout  # slow to import, and most commands lock nothing

    # Without fallback_to_soft=False, filelock would use a marker file, which a killed process leaves behind.
    lock = FileLock(file, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(blocking=wait)
    except Timeout:
        raise
    except (OSError, NotImplementedError):  # some file systems have no locks: the command still works, unlocked
        return ProcessLock(None)
    return ProcessLock(lock)
