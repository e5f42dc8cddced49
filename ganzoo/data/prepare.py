"""Write a data set from its downloaded folder, completely or not at all; ``ganzoo data prepare`` uses it."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from ganzoo.data.downloads import LAYOUTS
from ganzoo.errors import GanzooError, suggest
from ganzoo.utils.atomic import write_new
from ganzoo.utils.atomic_folder import atomic_folder
from ganzoo.utils.paths import is_within

Bar = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]
"""A function from a label and the number of parts to a context, which gives a function to call with the parts done."""
MARK = ".prepared.json"
"""The file that is written last: the folder was made here, so ``fresh`` may replace it."""


def prepare(name: str, folder: Path, out: Path, *, fresh: bool = False, bar: Bar) -> int:
    """Write a data set in the layout that recipes read; return the number of its files.

    The files are written to a hidden folder beside ``out``, which is renamed at the end; one that a killed process left
    is deleted first.

    Args:
        name: the data set, one of ``LAYOUTS``.
        folder: the folder that was downloaded; it is only read.
        out: the new folder; an empty one may be there.
        fresh: whether a folder that an earlier call made is replaced.
        bar: shows the progress, such as ``Console().bar``.

    Raises:
        MissingResourceError: the downloaded folder lacks something.
        BusyError: another process is writing the same folder.
        GanzooError: the name is unknown; ``out`` exists; an image is damaged; the disk is full or cannot be written.
    """
    if name not in LAYOUTS:
        raise GanzooError(f"{name}: unknown data set{suggest(name, LAYOUTS)}")
    place = out.absolute()
    made = (place / MARK).is_file()
    if made and not fresh:
        raise GanzooError(f"{out}: it exists already; --fresh replaces it, -o chooses another folder")
    if not made and place.exists() and not (place.is_dir() and not any(place.iterdir())):
        raise GanzooError(f"{out}: this command did not make it, so it is not replaced; choose another folder with -o")
    if is_within(place, folder) or is_within(folder, place):
        raise GanzooError(f"{out}: it is in the downloaded folder, or contains it; choose another folder with -o")
    files = LAYOUTS[name](folder)
    with atomic_folder(out, MARK) as new, bar(f"writing {out}", len(files)) as show:
        for count, (path, write) in enumerate(files.items(), 1):
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            write(target)
            show(count)
        write_new(new / MARK, json.dumps({"data": name, "files": len(files)}).encode())
    return len(files)
