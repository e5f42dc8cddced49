"""Write a bank's folder aside and put it in its place whole: a kill at any moment leaves nothing half-made there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganzoo import GanzooError
from ganzoo.interfaces import flush_to_disk, replace_folder, sibling_path
from ganzoo.utils.atomic import fcntl
from ganzoo_art2real.bank import MANIFEST


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``, which takes its place when the block ends well, and goes when it fails.

    What a killed process left beside is thrown away first. Raises GanzooError when another process is at it, or when
    the disk is full or cannot be written.
    """
    place = target.absolute()
    new, lock = sibling_path(place, "new"), -1
    try:
        new.mkdir(parents=True, exist_ok=True)
        lock = os.open(new, os.O_RDONLY) if fcntl else -1
        _own(lock, new, target)
        _empty(new)
        try:
            yield new
            for file in new.iterdir():
                flush_to_disk(file)
            replace_folder(place, MANIFEST)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
    except OSError as error:
        raise GanzooError(
            f"{target}: cannot be written: {error.strerror or error}; make room, or choose another place"
        ) from error
    finally:
        if lock >= 0:
            os.close(lock)


def _own(lock: int, new: Path, target: Path) -> None:
    """Take the folder for this process; the system gives it back when the process ends, by whatever means.

    The folder itself is what is locked: a lock file in it would go into its place with it.
    """
    if lock < 0:
        return
    busy = GanzooError(f"{target}: another process is making it just now; wait for it, or choose another place")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise busy from None
    if not new.exists() or not os.path.samestat(os.fstat(lock), new.stat()):  # finished by the other meanwhile
        raise busy


def _empty(folder: Path) -> None:
    for one in folder.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()
