"""Create the record of one cell: train it, resume it, train it again or only measure it again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ganzoo.bench import subprocesses
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import ImageChecksums, metrics_of, same_measurement, same_training
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


def record_cell(
    bench: Bench, cell: Cell, recipe: Recipe, places: Places, variables: Mapping[str, str], checksums: ImageChecksums
) -> Record:
    """Run a cell and return its record, failures included.

    An existing run is resumed. One that was trained by other code, settings or images is trained again, beside the old
    one; one that was only measured differently is measured again.

    Args:
        bench: the table.
        cell: the one to run.
        recipe: the cell's.
        places: where the runs and the data lie.
        variables: environment variables besides this process's own.
        checksums: of the images of data sets.

    Raises GanzooError where a signal stopped it: that leaves no record.
    """
    folder, checkpoint = folder_of(bench, cell, recipe, places), bench.spec.checkpoint
    name = ["--name", cell.name, "--root", str(folder.parents[1])]
    words = ["run", str(bench.recipe(cell)), *bench.changes(cell, places), *name]
    environment = {**os.environ, **variables}
    code_key.cache_clear()  # a plugin may have been written anew while others were run
    sessions = _trained_sessions(folder)
    alike = sessions is not None and same_training(sessions, recipe, checksums, checkpoint)
    results = JsonLines(folder / "results.jsonl")
    before = [*results]
    done = _run_command(cell, words if alike else [*words, "--fresh"], environment)
    if done.returncode == SettingsChangedError.exit_code:
        done = _run_command(cell, [*words, "--fresh"], environment)
    found = _matching_record(results, checkpoint, recipe)
    if done.returncode == 0 and not (found and same_measurement(found, recipe, checksums)):
        done = _run_command(cell, ["evaluate", str(folder), "--checkpoint", checkpoint], environment)
        found = _matching_record(results, checkpoint, recipe)
    if done.returncode:  # what was measured before says nothing of why; what was measured now may be whole, or say it
        found = _matching_record([one for one in results if one not in before], checkpoint, recipe)
    where = {"spec": bench.file.stem, "scale": bench.scale, "row": cell.row, "data": cell.data}
    where |= {"prepared": bench.prepared} if bench.prepared else {}
    return (
        found.model_copy(update={"cell": where})
        if found
        else Record.of_failure(recipe, cell.name, last_line(done), where)
    )


def _trained_sessions(folder: Path) -> list[Session] | None:
    """Return the sessions of a run so far; None where its first one is not known."""
    place = find_checkpoint(folder / "checkpoints" / "last")
    if place is None:
        return []
    try:
        found = [Session.model_validate(one) for one in read_progress(place)["sessions"]]
    except (KeyError, TypeError, ValueError, GanzooError):  # of another version of ganzoo, or damaged
        return None
    return found if found and found[0].step == 0 else None


def _run_command(cell: Cell, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = subprocesses.run_command(words, environment)
    if done.returncode in STOPPED:
        raise GanzooError(f"{cell.name}: stopped by a signal; the same command resumes it")
    if done.returncode == BusyError.exit_code:
        raise BusyError(last_line(done))
    return done


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that a command printed about its failure."""
    if done.returncode < 0:
        return f"it was ended by {signal.Signals(-done.returncode).name}"
    lines = [line.removeprefix("ganzoo: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with exit code {done.returncode}"


def _matching_record(lines: Iterable[dict[str, Any]], checkpoint: str, recipe: Recipe) -> Record | None:
    """Return the last of a run's records that matches the recipe: on test images, else on validation images."""
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


def strip_local_paths(record: Record, folder: Path, places: Places) -> Record:
    """Return a record whose reasons hold no paths of this machine."""

    def without(text: str) -> str:
        for path in (f"{folder}: ", f"{folder.parents[1]}/", *([f"{places.data}/"] if places.data else [])):
            text = text.replace(path, "")
        return text.replace(f"{Path.home()}/", "~/")

    failed = {name: without(why) for name, why in record.failed.items()}
    return record.model_copy(update={"why": without(record.why), "failed": failed})
