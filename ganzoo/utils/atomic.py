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
    """Return the path of a hidden file or folder beside another one, ``.NAME.WORD``.

    ``replace_folder`` uses the word ``new`` for the new contents of a folder, and ``old`` for the old ones.
    """
    return folder.with_name(f".{folder.name}.{word}")


def find_complete(folder: Path, mark: str) -> Path | None:
    """Return the path of the complete contents of a folder that ``replace_folder`` replaces; None if there are none.

    It is the folder itself, or its ``old`` sibling if a replacement was interrupted. Nothing is renamed, so readers do
    not disturb the process that writes.

    Args:
        folder: the folder's final path.
        mark: the name of the file in it that is written last, so a folder with it is complete.
    """
    return next((path for path in (folder, sibling_path(folder, "old")) if (path / mark).is_file()), None)


def repair_replacement(folder: Path, mark: str) -> Path | None:
    """Undo an interrupted replacement of a folder: rename its ``old`` sibling back, if only that is complete.

    Only the process that writes the folder may call this.

    Args:
        folder: the folder's final path.
        mark: the name of the file in it that is written last.

    Returns:
        The folder; None if there are no complete contents.
    """
    complete = find_complete(folder, mark)
    return complete.rename(folder) if complete and complete != folder else complete


def replace_folder(folder: Path, mark: str) -> None:
    """Replace a folder by its complete ``new`` sibling (see ``sibling_path``), by two renames; delete the old contents.

    Between the renames ``find_complete`` returns the old contents. Raises OSError if a rename fails.

    Args:
        folder: the folder, which need not exist.
        mark: the name of the file in it that is written last.
    """
    old = sibling_path(folder, "old")
    repair_replacement(folder, mark)
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    sibling_path(folder, "new").rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def flush_to_disk(file: Path) -> None:
    """Make the system write a file's contents to the disk, so that they survive a power failure."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


class ProcessLock:
    """A lock that this process has on a file, also as a context. The system releases it if the process is killed."""

    def __init__(self, lock: BaseFileLock | None) -> None:
        self._lock = lock

    @property
    def held(self) -> bool:
        """Whether the file is locked: False after ``release``, and if it could not be locked."""
        return self._lock is not None and self._lock.is_locked

    def release(self) -> None:
        """Unlock the file. It is not deleted, because then two processes could have the lock at the same time."""
        if self._lock:
            self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def lock_file(file: Path, busy: str) -> ProcessLock:
    """Lock a file and return the lock; create the file, and folders on its path, if they are missing.

    If it cannot be created, or if the file system does not support locks, nothing is locked and no error is raised.
    Raises BusyError with the message ``busy`` if another process has the lock.
    """
    from filelock import Timeout

    try:
        return _lock(file, wait=False)
    except Timeout:
        raise BusyError(busy) from None


def wait_for_lock(file: Path) -> ProcessLock:
    """Lock a file as ``lock_file`` does, but wait while another process has the lock."""
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
