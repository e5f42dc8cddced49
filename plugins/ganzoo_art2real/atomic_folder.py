"""Write a bank's folder to a temporary folder and rename it when it is complete: a kill leaves no partial bank."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganzoo import GanzooError
from ganzoo.interfaces import BusyError, clean_replacement, flush_to_disk, lock_file, replace_folder, sibling_path
from ganzoo_art2real.bank import MANIFEST


@contextmanager
def atomic_folder(target: Path) -> Iterator[Path]:
    """Yield a new empty folder beside ``target`` for a ``with`` block to fill; it replaces ``target`` after the block.

    If the block raises, the new folder is deleted and ``target`` does not change. A new folder that a killed process
    left is deleted first. The hidden lock file beside ``target``, ``.NAME.lock``, stays.

    Raises:
        BusyError: another process is writing the same folder.
        GanzooError: the disk is full or cannot be written, or the block raises OSError.
    """
    place = target.absolute()
    new = sibling_path(place, "new")
    busy = f"{target}: another process is building it; wait for it, or choose another place"
    try:
        with lock_file(sibling_path(place, "lock"), busy):
            if new.exists():
                shutil.rmtree(new)
            try:
                new.mkdir(parents=True)
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


def clean(target: Path) -> None:
    """Delete what killed processes left beside a complete folder, unless another process is writing it."""
    place = target.absolute()
    with suppress(BusyError), lock_file(sibling_path(place, "lock"), ""):
        clean_replacement(place, MANIFEST)
