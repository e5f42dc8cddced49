"""Run a table's cells, each in a process of its own, and keep a record of each, be it of a failure."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from ganzoo.bench.distances import with_distances
from ganzoo.bench.sets import Source, changed_sets, code_of, sets_of
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.console import Console
from ganzoo.errors import GanzooError
from ganzoo.fingerprint import portable, recipe_key
from ganzoo.plugins import installed_version
from ganzoo.recipe import Recipe
from ganzoo.recipe_reader import read_recipe
from ganzoo.records import JsonLines, write_text
from ganzoo.result import Cost, Data, Record, read_records


def kept(bench: Bench) -> list[Record]:
    """Return the table's records; none where there is no file yet. Raises GanzooError for what is no record."""
    return read_records(bench.records) if bench.records.is_file() else []


def of(records: Iterable[Record], cell: Cell) -> Record | None:
    """Return the record of a cell, or None."""
    wanted = {"row": cell.row, "data": cell.data}
    return next(
        (one for one in records if one.seed == cell.seed and {key: one.cell.get(key) for key in wanted} == wanted), None
    )


def stale(bench: Bench, record: Record, recipe: Recipe, sets: Mapping[str, Source]) -> list[str]:
    """Return what of a record's recipe, plugins and sets is no more what it was: ``recipe``, ``plugin NAME``."""
    changed = [] if record.recipe_key == recipe_key(recipe) else ["recipe"]
    if record.status == "ok" and record.metrics != portable(recipe.resolved()["evaluate"]["metrics"]):
        changed.append("metrics")
    changed += changed_sets(bench, record, sets)
    now = code_of(recipe, sets)
    changed += [
        f"plugin {name}" for name, code in record.plugins.items() if name not in now or now[name].code != code.code
    ]
    return changed


def run(bench: Bench, places: Places, *, jobs: int, only: Sequence[str] = ()) -> list[Record]:
    """Run what a table lacks; return all its records, failures among them.

    A cell with a whole record is left alone; a failed one is tried again, and so is one whose recipe or plugins have
    changed since. What was stopped goes on where it was.

    Args:
        bench: the table.
        places: where runs are kept, and the data lies.
        jobs: cells at a time; on a machine with several GPUs each has its own.
        only: rows to run; all by default.

    Raises GanzooError where what recipes need cannot be made, and for a recipe that is wrong, before any row is run.
    """
    console, records, lock, measuring = Console(), kept(bench), Lock(), Lock()
    prepare(bench, places, console)
    todo: list[tuple[Cell, Recipe, dict[str, Source]]] = []
    for cell in bench.cells():
        recipe = read_recipe(bench.recipe(cell), bench.changes(cell, places))
        sets = sets_of(bench, recipe, places)
        found = of(records, cell)
        old = found is None or found.status == "failed" or stale(bench, found, recipe, sets)
        if old and (not only or cell.row in only):
            todo.append((cell, recipe, sets))
    todo.sort(key=lambda one: bench.spec.seeds.index(one[0].seed))  # a whole round of rows before the next seed
    console.say(f"{bench.name}: {len(todo)} of {len(list(bench.cells()))} runs to make")
    devices: SimpleQueue[str] = SimpleQueue()
    for name in _devices(jobs):
        devices.put(name)

    def make(item: tuple[Cell, Recipe, dict[str, Source]]) -> None:
        cell, recipe, sets = item
        device = devices.get()
        try:
            record = _made(bench, cell, recipe, places, device)
        finally:
            devices.put(device)
        if bench.spec.matrix and record.status == "ok":
            with measuring:  # in this process, where nothing else computes
                record = with_distances(record, _folder(bench, cell, recipe, places), bench.spec.matrix, sets)
        record = record.model_copy(update={"plugins": code_of(recipe, sets)})
        record = _placeless(record, _folder(bench, cell, recipe, places), places)
        with lock:
            others = [one for one in records if one is not of(records, cell)]
            records[:] = _sorted(bench, [*others, record])
            write_text(bench.records, "".join(json.dumps(one.fields(), ensure_ascii=False) + "\n" for one in records))
        own = {name: value for name, value in record.figures.items() if "sets" not in record.about.get(name, {})}
        what = "  ".join(f"{name} {value:.4g}" for name, value in own.items())
        console.say(f"{cell.name}: {what if record.status == 'ok' else f'failed: {record.why}'}")

    with ThreadPoolExecutor(jobs) as pool:
        for done in [pool.submit(make, item) for item in todo]:
            done.result()
    return records


def _devices(jobs: int) -> list[str]:
    """Return what each job may see: one GPU each, where there are."""
    import torch

    count = torch.cuda.device_count()
    return [str(i % count) if count else "" for i in range(jobs)]


def prepare(bench: Bench, places: Places, console: Console) -> None:
    """Make what the recipes need and is not there yet. Raises GanzooError, with the command's own last line."""
    for name, one in bench.spec.prepare.items():
        if Path(bench.filled(one.makes, places)).exists():
            continue
        console.say(f"{bench.name}: preparing {name}")
        done = _ganzoo(shlex.split(bench.filled(one.command, places)), dict(os.environ))
        if done.returncode:
            raise GanzooError(f"{bench.file}: prepare.{name}: {_last_line(done)}")


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.removeprefix("ganzoo: ") for line in done.stderr.splitlines() if line.strip()]
    return lines[-1] if lines else f"it ended with exit code {done.returncode}"


def _folder(bench: Bench, cell: Cell, recipe: Recipe, places: Places) -> Path:
    return places.root / bench.name / recipe.name / cell.name


def _made(bench: Bench, cell: Cell, recipe: Recipe, places: Places, device: str) -> Record:
    """Run a cell and return its record."""
    folder = _folder(bench, cell, recipe, places)
    place = folder.parents[1]
    words = ["run", str(bench.recipe(cell)), *bench.changes(cell, places), "--name", cell.name, "--root", str(place)]
    environment = {**os.environ, **({"CUDA_VISIBLE_DEVICES": device} if device else {})}
    done = _ganzoo(words, environment)
    found = _results(folder, bench.spec.checkpoint)
    # Where the recipe or its plugins have changed since, the run that is there is put aside.
    if "begun with other settings" in done.stderr or (found and found[-1].plugins != code_of(recipe, {})):
        done = _ganzoo([*words, "--fresh"], environment)
        found = _results(folder, bench.spec.checkpoint)
    where = {"spec": bench.file.stem, "scale": bench.scale, "row": cell.row, "data": cell.data}
    if found and (done.returncode == 0 or found[-1].status == "failed"):
        return found[-1].model_copy(update={"cell": where})
    return _failure(recipe, cell, where, _last_line(done))


def _placeless(record: Record, folder: Path, places: Places) -> Record:
    """Return a record whose reasons do not say where one machine has things."""

    def without(text: str) -> str:
        for path in (f"{folder}: ", f"{folder.parents[1]}/", f"{places.data}/"):
            text = text.replace(path, "")
        return text

    failed = {name: without(why) for name, why in record.failed.items()}
    return record.model_copy(update={"why": without(record.why), "failed": failed})


def _ganzoo(words: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ganzoo", *words]
    return subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def _results(folder: Path, checkpoint: str) -> list[Record]:
    found = [Record.model_validate(one) for one in JsonLines(folder / "results.jsonl")]
    return [one for one in found if one.checkpoint == checkpoint]


def _failure(recipe: Recipe, cell: Cell, where: dict[str, str], why: str) -> Record:
    return Record(
        status="failed",
        why=why,
        recipe=recipe.name,
        name=cell.name,
        method=recipe.method.component.name,
        recipe_key=recipe_key(recipe),
        plugins=code_of(recipe, {}),
        core=installed_version(),
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


def _sorted(bench: Bench, records: list[Record]) -> list[Record]:
    order = {cell: i for i, cell in enumerate(bench.cells())}
    places = [order.get(Cell(one.cell["row"], one.cell["data"], one.seed), len(order)) for one in records]
    kept = sorted(zip(places, range(len(records)), strict=True))
    return [records[i] for place, i in kept if place < len(order)]


def refuse_unknown(bench: Bench, only: Sequence[str]) -> None:
    """Raise GanzooError for a row that the table has not."""
    for row in only:
        if row not in bench.spec.rows:
            raise GanzooError(f"{bench.file}: there is no row {row!r}; there are: {', '.join(bench.spec.rows)}")
