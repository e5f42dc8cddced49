"""Make the record of one cell: run it, run it anew or measure it again, whichever it takes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from ganzoo import state
from ganzoo.bench import children
from ganzoo.bench.freshness import Seen, measured_alike, metrics_of, trained_alike
from ganzoo.bench.sets import code_of
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.errors import GanzooError
from ganzoo.fingerprint import code_key, portable, recipe_key
from ganzoo.recipe import Recipe
from ganzoo.records import JsonLines
from ganzoo.result import Cost, Data, Record, Sitting
from ganzoo.sittings import core


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
        seen: reads pictures.

    Raises GanzooError where it was stopped by a signal: that is no record.
    """
    folder, checkpoint = folder_of(bench, cell, recipe, places), bench.spec.checkpoint
    name = ["--name", cell.name, "--root", str(folder.parents[1])]
    words = ["run", str(bench.recipe(cell)), *bench.changes(cell, places), *name]
    environment = {**os.environ, **surrounding}
    code_key.cache_clear()  # a plugin may have been written anew while others were run
    anew = [] if trained_alike(_sittings(folder), recipe, seen) else ["--fresh"]
    done = _called(cell, [*words, *anew], environment)
    if "begun with other settings" in done.stderr:
        done = _called(cell, [*words, "--fresh"], environment)
    found = _result(folder, checkpoint, recipe)
    if done.returncode == 0 and not (found and measured_alike(found, recipe, seen)):
        done = _called(cell, ["evaluate", str(folder), "--checkpoint", checkpoint], environment)
        found = _result(folder, checkpoint, recipe)
    where = {"spec": bench.file.stem, "scale": bench.scale, "row": cell.row, "data": cell.data}
    if found and (done.returncode == 0 or found.status == "failed"):
        return found.model_copy(update={"cell": where})
    return _failure(recipe, cell, where, last_line(done))


def _sittings(folder: Path) -> list[Sitting]:
    """Return what a run was trained with so far."""
    place = state.find(folder / "checkpoints" / "last")
    return [Sitting.model_validate(one) for one in state.read_progress(place)["sittings"]] if place else []


def _called(cell: Cell, words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    done = children.call(words, environment)
    if done.returncode < 0 or done.returncode > 128:
        raise GanzooError(f"{cell.name}: stopped by a signal; the same command goes on")
    return done


def last_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last thing that a command said of what went wrong."""
    lines = [line.removeprefix("ganzoo: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with exit code {done.returncode}"


def _result(folder: Path, checkpoint: str, recipe: Recipe) -> Record | None:
    """Return the last record of a run that is of this recipe: of test pictures, or of others where there are none."""
    found: dict[bool, Record] = {}
    for line in JsonLines(folder / "results.jsonl"):
        try:
            one = Record.model_validate(line)
        except ValidationError:  # of another version of ganzoo: it is measured again
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


def _failure(recipe: Recipe, cell: Cell, where: dict[str, str], why: str) -> Record:
    return Record(
        status="failed",
        why=why,
        recipe=recipe.name,
        name=cell.name,
        method=recipe.method.component.name,
        recipe_key=recipe_key(recipe),
        plugins=code_of(recipe, {}),
        core=core(),
        trained_by=[],
        data=Data(dataset=recipe.data.component.name, keys={}, pictures={}),
        seed=cell.seed,
        step=0,
        trained=0,
        checkpoint="",
        rule="",
        weights="",
        split="",
        pictures={},
        metrics=portable(recipe.resolved()["evaluate"]["metrics"]),
        figures={},
        about={},
        failed={},
        cost=Cost(),
        environment={},
        cell=where,
    )
