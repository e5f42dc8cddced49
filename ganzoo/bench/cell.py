"""Make the record of one cell: run it, run it anew or measure it again, whichever it takes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.bench import subprocesses
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import Seen, measured_alike, metrics_of, trained_alike
from ganzoo.engine.checkpoint import find_checkpoint, read_progress
from ganzoo.errors import BusyError, GanzooError, SettingsChangedError
from ganzoo.provenance.fingerprint import code_key, recipe_key
from ganzoo.provenance.record import Record, Session, parse_record
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.jsonl import JsonLines

STOPPED = {*(-one for one in (1, 2, 15)), *(128 + one for one in (1, 2, 15))}
"""Exit codes of what was asked to stop, by SIGHUP, Ctrl-C or SIGTERM; any other death is its own."""


def folder_of(bench: Bench, cell: Cell, recipe: Recipe, places: Places) -> Path:
    """Return the folder of a cell's run."""
    return places.root / bench.name / recipe.name / cell.name


def made(
    bench: Bench, cell: Cell, recipe: Recipe, places: Places, surrounding: Mapping[str, str], seen: Seen
) -> Record:
    """Run a cell and return its record, be it of a failure.

    A run that is there goes on where it was. Where it was trained otherwise than it would be now, it is put aside;
    where it was only measured otherwise, it is measured again.

    Args:
        bench: the table.
        cell: which.
        recipe: the cell's.
        places: where runs are kept, and the data lies.
        surrounding: variables that it is given besides this process's own.
        seen: reads images.

    Raises GanzooError where it was stopped by a signal: that is no record.
    """
    folder, checkpoint = folder_of(bench, cell, recipe, places), bench.spec.checkpoint
    name = ["--name", cell.name, "--root", str(folder.parents[1])]
    words = ["run", str(bench.recipe(cell)), *bench.changes(cell, places), *name]
    environment = {**os.environ, **surrounding}
    code_key.cache_clear()  # a plugin may have been written anew while others were run
    sessions = _sessions(folder)
    alike = sessions is not None and trained_alike(sessions, recipe, seen, checkpoint)
    results = JsonLines(folder / "results.jsonl")
    before = [*results]
    done = _called(cell, words if alike else [*words, "--fresh"], environment)
    if done.returncode == SettingsChangedError.exit_code:
        done = _called(cell, [*words, "--fresh"], environment)
    found = _result(results, checkpoint, recipe)
    if done.returncode == 0 and not (found and measured_alike(found, recipe, seen)):
        done = _called(cell, ["evaluate", str(folder), "--checkpoint", checkpoint], environment)
        found = _result(results, checkpoint, recipe)
    if done.returncode:  # what was measured before says nothing of why; what was measured now may be whole, or say it
        found = _result([one for one in results if one not in before], checkpoint, recipe)
    where = {"spec": bench.file.stem, "scale": bench.scale, "row": cell.row, "data": cell.data}
    where |= {"prepared": bench.prepared} if bench.prepared else {}
    return (
        found.model_copy(update={"cell": where})
        if found
        else Record.of_failure(recipe, cell.name, last_line(done), where)
    )


def _sessions(folder: Path) -> list[Session] | None:
    """Return what a run was trained with so far; None where that is not known of its beginning."""
    place = find_checkpoint(folder / "checkpoints" / "last")
    if place is None:
        return []
    try:
        found = [Session.model_validate(one) for one in read_progress(place)["sessions"]]
    except (KeyError, TypeError, ValueError, GanzooError):  # of another version of ganzoo, or damaged
        return None
    return found if found and found[0].step == 0 else None


def _called(cell: Cell, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocesses.call(words, environment)
    if done.returncode in STOPPED:
        raise GanzooError(f"{cell.name}: stopped by a signal; the same command goes on")
    if done.returncode == BusyError.exit_code:
        raise BusyError(last_line(done))
    return done


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last thing that a command said of what went wrong."""
    if done.returncode < 0:
        return f"it was ended by {signal.Signals(-done.returncode).name}"
    lines = [line.removeprefix("ganzoo: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with exit code {done.returncode}"


def _result(lines: Iterable[dict[str, Any]], checkpoint: str, recipe: Recipe) -> Record | None:
    """Return the last of a run's records that is of this recipe: of test images, else of validation images."""
    found: dict[bool, Record] = {}
    for line in lines:
        try:
            one = parse_record(line)
        except ValueError:  # of another version of ganzoo: it is measured again
            continue
        asked = (checkpoint, recipe_key(recipe), recipe.train.seed, metrics_of(recipe))
        if (one.checkpoint, one.recipe_key, one.seed, one.metrics) == asked:
            found[one.split == "test"] = one
    return found.get(True) or found.get(False)


def placeless(record: Record, folder: Path, places: Places) -> Record:
    """Return a record whose reasons do not say where one machine has things."""

    def without(text: str) -> str:
        for path in (f"{folder}: ", f"{folder.parents[1]}/", *([f"{places.data}/"] if places.data else [])):
            text = text.replace(path, "")
        return text.replace(f"{Path.home()}/", "~/")

    failed = {name: without(why) for name, why in record.failed.items()}
    return record.model_copy(update={"why": without(record.why), "failed": failed})
