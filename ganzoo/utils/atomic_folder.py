"""Write a folder to a temporary one and rename it when it is complete: a kill leaves no partial folder."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ganzoo.errors import BusyError, GanzooError
from ganzoo.utils.atomic import clean_replacement, flush_to_disk, lock_file, replace_folder, sibling_path


@contextmanager
def atomic_folder(target: Path, mark: str) -> Iterator[Path]:
    """Yield a new empty folder beside ``target`` for a ``with`` block to fill; it replaces ``target`` after the block.

    If the block raises, the new folder is deleted and ``target`` does not change. A new folder that a killed process
    left is deleted first. The hidden lock file beside ``target``, ``.NAME.lock``, stays.

    Args:
        target: the folder; it and the folders on its path need not exist.
        mark: the name of the file that the block writes last: a folder with it is complete.

    Raises:
        BusyError: another process is writing the same folder.
        GanzooError: the disk is full or cannot be written, or the block raises OSError.
    """
    place = target.resolve()  # if it is a link, the folder that it names is replaced
    new = sibling_path(place, "new")
    busy = f"{target}: another process is writing it; wait for it, or choose another folder"
    try:
        with lock_file(sibling_path(place, "lock"), busy):
            if new.exists():
                shutil.rmtree(new)
            try:
                new.mkdir(parents=True)
                yield new
                for file in new.rglob("*"):
                    if file.is_file():
                        flush_to_disk(file)
                replace_folder(place, mark)
            except BaseException:
                shutil.rmtree(new, ignore_errors=True)
                raise
    except OSError as error:
        raise GanzooError(
            f"{target}: it cannot be written: {error.strerror or error}; free some space, or choose another folder"
        ) from error


def clean_folder(target: Path, mark: str) -> None:
    """Delete what killed processes left beside a complete folder, unless another process is writing it."""
    place = target.resolve()
    with suppress(BusyError), lock_file(sibling_path(place, "lock"), ""):
        clean_replacement(place, mark)
