"""Replace files and folders atomically, clean up what killed processes left, and lock files against other processes."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
import time
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from ganzoo.errors import BusyError, GanzooError

if TYPE_CHECKING:
    from filelock import BaseFileLock

MAX_NAME = 200
"""Longest name of a folder, in bytes: file systems take 255, and the folder's siblings have longer names."""

REMOVED = "removed"
"""The word for ``sibling_path`` of what is being deleted; a killed process leaves it under that name."""


def is_folder_name(word: str) -> bool:
    """Return whether a word can name a folder, and its hidden siblings, below another folder and nowhere else."""
    plain = bool(word) and Path(word).name == word and not word.startswith(".") and word.isprintable()
    return plain and len(os.fsencode(word)) <= MAX_NAME


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

    Between the renames ``find_complete`` returns the old contents. The new folder's files must be on the disk already;
    the folders and the renames are when this returns. Raises OSError if a rename fails.

    Args:
        folder: the folder, which need not exist.
        mark: the name of the file in it that is written last.
    """
    old, new = sibling_path(folder, "old"), sibling_path(folder, "new")
    repair_replacement(folder, mark)
    shutil.rmtree(old, ignore_errors=True)
    for inner in (new, *(one for one in new.rglob("*") if one.is_dir())):
        flush_folder(inner)
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    flush_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def clean_replacement(folder: Path, mark: str) -> None:
    """Delete the hidden siblings that a killed process left; only the process that writes may call this.

    The ``old`` one stays where ``folder`` is not complete: it then holds the contents.
    """
    for word in ("new", REMOVED):
        shutil.rmtree(sibling_path(folder, word), ignore_errors=True)
    if (folder / mark).is_file():
        shutil.rmtree(sibling_path(folder, "old"), ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Delete a folder, if it is there: first it gets the hidden name of what is deleted, so none is left in part.

    Raises GanzooError if that is not possible.
    """
    if not folder.is_dir():
        return
    removed = sibling_path(folder, REMOVED)
    shutil.rmtree(removed, ignore_errors=True)
    try:
        folder.rename(removed)
    except OSError as error:
        raise GanzooError(f"{folder}: cannot be deleted: {error.strerror}") from None
    flush_folder(folder.parent)
    shutil.rmtree(removed, ignore_errors=True)


def flush_to_disk(file: Path) -> None:
    """Make the system write a file's contents to the disk, so that they survive a power failure."""
    with file.open("rb") as written:
        os.fsync(written.fileno())


def flush_folder(folder: Path) -> None:
    """Make the system write a folder's entries to the disk, so that a rename in it outlasts a power cut."""
    if sys.platform == "win32":  # there a folder cannot be opened
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with suppress(PermissionError, InterruptedError):
            os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems have no fsync for folders
            raise
    finally:
        os.close(opened)


def write_new(file: Path, content: bytes) -> None:
    """Write a new file, down to the disk; its permissions follow the umask. Raises OSError.

    What stands there is deleted first and never written through: a link that somebody planted leads nowhere.
    """
    with suppress(FileNotFoundError):
        file.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(file, flags, 0o666), "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def write_atomically(file: Path, content: bytes) -> None:
    """Replace a file: write a temporary one beside it, down to the disk, and rename it. Raises OSError."""
    temporary = temporary_path(file)
    try:
        write_new(temporary, content)
        rename_file(temporary, file)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def rename_file(file: Path, target: Path) -> None:
    """Rename a file that is on the disk, and make the rename outlast a power cut. Raises OSError."""
    os.replace(file, target)
    flush_folder(target.parent)


def temporary_path(file: Path) -> Path:
    """Return the hidden path beside a file for its next contents, ``.NAME.PID.part``.

    A long name is replaced by its checksum, as file systems limit names to 255 bytes.
    """
    name = file.name if len(os.fsencode(file.name)) <= MAX_NAME else sha256(os.fsencode(file.name)).hexdigest()
    return file.with_name(f".{name}.{os.getpid()}.part")


def clean_temporaries(folder: Path, older_than: float = 0) -> None:
    """Delete the temporary files in a folder, ``.NAME.PID.part``, whose processes are not running on this machine.

    Args:
        folder: the folder.
        older_than: the age in seconds from which they are deleted, where processes of other machines write as well.
    """
    import psutil

    for file in folder.glob(".*.part"):
        match = re.fullmatch(r"\..*\.(\d+)\.part", file.name, re.DOTALL)
        if match and (int(match[1]) == os.getpid() or not psutil.pid_exists(int(match[1]))):
            with suppress(OSError):
                if time.time() - file.lstat().st_mtime >= older_than:
                    file.unlink()


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
