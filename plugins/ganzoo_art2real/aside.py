"""Write a folder aside and put it in its place whole: a kill at any moment leaves nothing half-made there."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ganzoo import GanzooError


@contextmanager
def written_aside(target: Path) -> Iterator[Path]:
    """Give an empty folder beside ``target``, which takes its place when the block ends well, and goes when it fails.

    What a killed process left beside is thrown away first. Raises GanzooError when another process is at it, or when
    the disk is full or cannot be written.
    """
    place = target.absolute()
    aside, old = (place.with_name(f".{place.name}.{word}") for word in ("new", "old"))
    lock = -1
    try:
        aside.mkdir(parents=True, exist_ok=True)
        lock = os.open(aside, os.O_RDONLY)
        _own(lock, aside, target)
        _empty(aside)
        try:
            yield aside
            for file in aside.iterdir():
                _flush(file)
            shutil.rmtree(old, ignore_errors=True)
            if place.exists():
                place.rename(old)
            aside.rename(place)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise GanzooError(
            f"{target}: cannot be written: {error.strerror or error}; make room, or choose another place"
        ) from error
    finally:
        if lock >= 0:
            os.close(lock)


def _own(lock: int, aside: Path, target: Path) -> None:
    """Take the folder for this process; the system gives it back when the process ends, by whatever means."""
    busy = GanzooError(f"{target}: another process is making it just now; wait for it, or choose another place")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise busy from None
    if not aside.exists() or not os.path.samestat(os.fstat(lock), aside.stat()):  # finished by the other meanwhile
        raise busy


def _empty(folder: Path) -> None:
    for one in folder.iterdir():
        shutil.rmtree(one) if one.is_dir() else one.unlink()


def _flush(file: Path) -> None:
    with file.open("rb") as written:
        os.fsync(written.fileno())
