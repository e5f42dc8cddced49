"""Run a table's cells, each in a process of its own, and keep a record of each, failures included."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from queue import SimpleQueue
from threading import Lock

from ganzoo.bench import subprocesses
from ganzoo.bench.cell import folder_of, last_line, record_cell, strip_local_paths
from ganzoo.bench.distances import with_distances
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import ImageChecksums, SetSource, plugin_code, read_sets, stale
from ganzoo.errors import GanzooError
from ganzoo.provenance.record import Record, read_records
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.atomic import lock_file
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import write_text


def read_bench_records(bench: Bench) -> list[Record]:
    """Return the table's records; none where there is no file yet. Raises GanzooError for an invalid record."""
    return read_records(bench.records) if bench.records.is_file() else []


def record_of(records: Iterable[Record], cell: Cell) -> Record | None:
    """Return the record of a cell, or None."""
    wanted = {"row": cell.row, "data": cell.data}
    return next(
        (one for one in records if one.seed == cell.seed and {key: one.cell.get(key) for key in wanted} == wanted), None
    )


def run(bench: Bench, places: Places, *, jobs: int, only: Sequence[str] = ()) -> list[Record]:
    """Run the cells that a table lacks; return all its records, failures included.

    A cell with a complete record is skipped; a failed one is tried again, and so is one whose recipe, plugins or images
    have changed since. A stopped run is resumed.

    Args:
        bench: the table.
        places: where the runs and the data lie.
        jobs: cells at a time; on a machine with several GPUs each has its own.
        only: rows to run; all by default.

    Raises GanzooError before any row is run for a wrong recipe, and where a preparation fails; BusyError when another
    process runs this table.
    """
    locks = cache_folder() / "benches"
    with suppress(OSError):  # where nothing can be written, nothing is locked
        locks.mkdir(parents=True, exist_ok=True)
    name = sha256(str(bench.records.resolve()).encode()).hexdigest()[:24]
    busy = f"{bench.file}: another process is running this table; wait for it"
    with lock_file(locks / f"{name}.lock", busy), subprocesses.terminate_on_exit():
        return _run(bench, places, jobs=jobs, only=only)


def _run(bench: Bench, places: Places, *, jobs: int, only: Sequence[str]) -> list[Record]:
    console, records, lock, measuring, checksums = (
        Console(),
        read_bench_records(bench),
        Lock(),
        Lock(),
        ImageChecksums(),
    )
    prepare(bench, places, console)
    todo: list[tuple[Cell, Recipe, dict[str, SetSource]]] = []
    for cell in bench.cells():
        if only and cell.row not in only:
            continue
        recipe = read_recipe(bench.recipe(cell), bench.changes(cell, places))
        sets = read_sets(bench, recipe, places)
        found = record_of(records, cell)
        if found is None or found.status == "failed" or stale(bench, found, recipe, sets, checksums):
            todo.append((cell, recipe, sets))
    todo.sort(key=lambda one: bench.spec.seeds.index(one[0].seed))  # a whole round of rows before the next seed
    console.say(f"{bench.name}: {len(todo)} of {len(list(bench.cells()))} runs to make")
    free: SimpleQueue[dict[str, str]] = SimpleQueue()
    for one in job_environments(jobs):
        free.put(one)

    def make(item: tuple[Cell, Recipe, dict[str, SetSource]]) -> None:
        cell, recipe, sets = item
        variables = free.get()
        try:
            record = record_cell(bench, cell, recipe, places, variables, checksums)
        finally:
            free.put(variables)
        if bench.spec.matrix and record.status == "ok":
            with measuring:  # in this process, one at a time
                record = with_distances(record, folder_of(bench, cell, recipe, places), bench.spec.matrix, sets)
        if bench.spec.matrix:
            record = record.model_copy(update={"plugins": plugin_code(recipe, sets)})
        record = strip_local_paths(record, folder_of(bench, cell, recipe, places), places)
        subprocesses.check_running()
        with lock:
            others = [one for one in records if record_of([one], cell) is None]
            records[:] = _sorted(bench, [*others, record])
            write_text(bench.records, "".join(json.dumps(one.fields(), ensure_ascii=False) + "\n" for one in records))
        own = {name: value for name, value in record.values.items() if "sets" not in record.about.get(name, {})}
        what = "  ".join(f"{name} {value:.4g}" for name, value in own.items())
        console.say(f"{cell.name}: {what if record.status == 'ok' else f'failed: {record.why}'}")

    pool = ThreadPoolExecutor(jobs)
    try:
        for done in as_completed([pool.submit(make, item) for item in todo]):
            done.result()
    except BaseException:
        subprocesses.stop_all()
        raise
    finally:
        pool.shutdown(cancel_futures=True)  # after a stop, until what runs has saved
    return records


def job_environments(jobs: int) -> list[dict[str, str]]:
    """Return the environment variables of each job: one of the visible GPUs, and a share of the cores."""
    import torch

    count = torch.cuda.device_count()
    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    seen = (named or [str(i) for i in range(count)])[:count]
    share = max(1, (os.cpu_count() or 1) // jobs)
    threads = {"OMP_NUM_THREADS": str(share)} if jobs > 1 and "OMP_NUM_THREADS" not in os.environ else {}
    return [({"CUDA_VISIBLE_DEVICES": seen[i % count]} if count else {}) | threads for i in range(jobs)]


def prepare(bench: Bench, places: Places, console: Console) -> None:
    """Run the preparations that have not been run by the same command yet. Raises GanzooError with their last line."""
    for name, one in bench.spec.prepare.items():
        command = bench.filled(one.command, places)
        note = places.root / bench.name / f".{name}.made"  # what is half made lies there, too
        if Path(bench.filled(one.makes, places)).exists() and note.is_file() and note.read_text() == command:
            continue
        console.say(f"{bench.name}: preparing {name}")
        done = subprocesses.run_command(shlex.split(command), dict(os.environ))
        if done.returncode:
            raise GanzooError(f"{bench.file}: prepare.{name}: {last_line(done)}")
        note.parent.mkdir(parents=True, exist_ok=True)
        write_text(note, command)


def _sorted(bench: Bench, records: list[Record]) -> list[Record]:
    order = {cell: i for i, cell in enumerate(bench.cells())}
    places = [order.get(Cell(one.cell["row"], one.cell["data"], one.seed), len(order)) for one in records]
    kept = sorted(zip(places, range(len(records)), strict=True))
    return [records[i] for place, i in kept if place < len(order)]


def check_rows(bench: Bench, only: Sequence[str]) -> None:
    """Raise GanzooError for a row that the table lacks."""
    for row in only:
        if row not in bench.spec.rows:
            raise GanzooError(f"{bench.file}: there is no row {row!r}; there are: {', '.join(bench.spec.rows)}")
