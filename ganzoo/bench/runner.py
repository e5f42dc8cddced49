"""Run the cells that a table lacks, each in a child process, and save a record of each, failures included.

``ganzoo bench`` uses it. What happens in one cell is in ``ganzoo.bench.cell``.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Container, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from types import FrameType

from ganzoo.bench.cell import RunCommand, folder_of, last_line, record_cell, strip_local_paths
from ganzoo.bench.children import ChildProcesses
from ganzoo.bench.curves import with_history
from ganzoo.bench.distances import with_distances
from ganzoo.bench.reach import with_reach
from ganzoo.bench.records import (
    Shard,
    in_running_order,
    in_table_order,
    lock_path,
    lock_records,
    read_bench_records,
    record_of,
    records_file,
    save_records,
    with_words,
)
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import ImageChecksums, SetSource, plugin_code, read_sets, stale
from ganzoo.errors import BusyError, GanzooError
from ganzoo.plugins import plugins
from ganzoo.provenance.record import Record
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.atomic import ProcessLock, lock_file, wait_for_lock
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import present_time, write_text

PAUSE = 5.0
"""Seconds until a preparation is tried again whose result another process is making."""


def check_rows(bench: Bench, only: Sequence[str]) -> None:
    """Raise GanzooError if the table lacks one of the rows that ``only`` names."""
    for row in only:
        if row not in bench.spec.rows:
            raise GanzooError(f"{bench.file}: there is no row {row!r}; there are: {', '.join(bench.spec.rows)}")


def check_columns(bench: Bench, measured: Container[str]) -> None:
    """Raise GanzooError if a column, curve or level is named after a metric that no row measures."""
    metrics, spec = [one.name for one in plugins().registry.find("metric")], bench.spec
    shown = [*(("columns", one) for one in spec.columns), *(("curves", one) for one in spec.curves)]
    for place, one in [*shown, *([("reach", spec.reach)] if spec.reach else [])]:
        name = re.sub(r"_(A|B|AB|BA)$", "", one.value)
        if name in metrics and name not in measured:
            raise GanzooError(
                f"{bench.file}: {place}: {one.value}: no row measures the metric {name!r}; add to `set` "
                f'"evaluate.metrics=[{name}]", with the other metrics'
            )


def check_evaluations(bench: Bench, row: str, recipe: Recipe) -> None:
    """Raise GanzooError if the table shows what a row's training lacks: a best checkpoint, or evaluations."""
    if not (recipe.train.epochs or recipe.train.steps):
        return
    where = f"{bench.file}: rows.{row}"
    if bench.spec.checkpoint == "best" and not recipe.evaluate.best:
        raise GanzooError(f'{where}: checkpoint best: its runs have none; add to `set` "evaluate.best=min NAME"')
    for place in [*(["reach"] if bench.spec.reach else []), *(["curves"] if bench.spec.curves else [])]:
        if not recipe.evaluate.every:
            raise GanzooError(
                f'{where}: {place}: its runs are not evaluated during training; add to `set` "evaluate.every=STEPS"'
            )


def run(
    bench: Bench, places: Places, *, jobs: int, only: Sequence[str] = (), shard: Shard | None = None
) -> list[Record]:
    """Run the cells that a table lacks, save their records, and return all its records, failures included.

    A cell with a complete record is skipped, unless its recipe, plugins, images or sets have changed since. A failed
    cell is tried again, and a stopped run is resumed. Missing preparations are run first.

    Args:
        bench: the table.
        places: the folders of the runs and of the data.
        jobs: number of cells that run at a time; they are spread over the machine's GPUs.
        only: names of the rows to run; empty for all rows.
        shard: the share of the cells to run, whose records get a file of their own; None: all.

    Raises:
        BusyError: another process runs this table, or this shard, or one of its runs.
        GanzooError: a preparation fails or a recipe is wrong, before any cell is run; or a signal stopped a cell.
    """
    busy = f"{bench.file}: another process is running this {'shard' if shard else 'table'}; wait for it"
    with lock_file(lock_path(records_file(bench, shard)), busy), _interrupt_on_sigterm():
        return _Runner(bench, places, shard).run(jobs, only)


@dataclass(frozen=True)
class _Task:
    """A cell to run, with its recipe and the sets of the table's matrix."""

    cell: Cell
    recipe: Recipe
    sets: dict[str, SetSource]


class _Runner:
    """The state of one call of ``run``: the table's records so far, and what its threads share."""

    def __init__(self, bench: Bench, places: Places, shard: Shard | None) -> None:
        self.bench, self.places, self.shard = bench, places, shard
        self.cells = shard.cells(bench) if shard else in_running_order(bench)
        self.made: dict[Cell, Record] = {}
        self.records = self._present()
        self.console, self.children, self.checksums = Console(), ChildProcesses(), ImageChecksums()
        self.saving, self.measuring = threading.Lock(), threading.Lock()

    def run(self, jobs: int, only: Sequence[str]) -> list[Record]:
        """Run the preparations, then the cells, ``jobs`` at a time; return the table's records, or the shard's."""
        for cell in self._chosen(only):  # a folder that is not named is said before anything is prepared
            self.bench.changes(cell, self.places)
        prepare(self.bench, self.places, self.children.run, self.console)
        tasks = self._tasks(only)
        if any(with_words(self.bench, one) != one for one in self.records):  # the spec has other words than its records
            self._save()
        name = records_file(self.bench, self.shard).stem
        self.console.say(f"{name}: {len(tasks)} of {len(self.cells)} runs to make")
        free: SimpleQueue[dict[str, str]] = SimpleQueue()
        for variables in job_environments(jobs):
            free.put(variables)
        pool = ThreadPoolExecutor(jobs)
        try:
            for future in as_completed([pool.submit(self._run_task, task, free) for task in tasks]):
                future.result()
        except BaseException:
            self.children.stop_all()
            raise
        finally:
            pool.shutdown(cancel_futures=True)  # after a stop, wait until the running cells have saved
        return self.records

    def _tasks(self, only: Sequence[str]) -> list[_Task]:
        """Return the cells that must be run."""
        tasks, measured = [], set[str]()
        for cell in self._chosen(only):
            recipe = read_recipe(self.bench.recipe(cell), self.bench.changes(cell, self.places))
            check_evaluations(self.bench, cell.row, recipe)
            measured.update(part.component.name for part in recipe.metrics)
            sets = read_sets(self.bench, recipe, self.places)
            record = record_of(self.records, cell)
            if record is None or record.status == "failed" or stale(self.bench, record, recipe, sets, self.checksums):
                tasks.append(_Task(cell, recipe, sets))
        if not only and not self.shard:
            check_columns(self.bench, measured)
        return tasks

    def _chosen(self, only: Sequence[str]) -> list[Cell]:
        return [cell for cell in self.cells if not only or cell.row in only]

    def _run_task(self, task: _Task, free: SimpleQueue[dict[str, str]]) -> None:
        bench, cell, recipe, matrix = self.bench, task.cell, task.recipe, self.bench.spec.matrix
        folder = folder_of(bench, cell, recipe, self.places)
        waiting = f"{cell.name}: another process trains this run already; waiting for it"
        variables = free.get()
        try:
            record = record_cell(
                bench,
                cell,
                recipe,
                self.places,
                self.checksums,
                run_command=self.children.run,
                wait_for=lambda lock: self.children.wait_for(lock, lambda: self.console.say(waiting)),
                say=self.console.say,
                variables=variables,
            )
        finally:
            free.put(variables)
        if matrix and record.status == "ok":
            with self.measuring:  # in this process, one at a time
                record = with_distances(record, folder, matrix, task.sets)
        if matrix:
            record = record.model_copy(update={"plugins": plugin_code(recipe, task.sets)})
        if bench.spec.reach and record.status == "ok":
            record = with_reach(record, folder, bench.spec.reach)
        if bench.spec.curves and record.status == "ok":
            record = with_history(record, folder, bench.spec.curves)
        # The time decides between the files of shards, also if only the values below come anew from the run's files.
        record = with_words(bench, record).model_copy(update={"time": present_time()})
        record = strip_local_paths(record, folder, self.places)
        self.children.check_running()
        self.made[cell] = record
        self._save()
        values = {name: value for name, value in record.values.items() if "sets" not in record.about.get(name, {})}
        line = "  ".join(f"{name} {value:.4g}" for name, value in values.items())
        self.console.say(f"{cell.name}: {line if record.status == 'ok' else f'failed: {record.why}'}")

    def _present(self) -> list[Record]:
        """Return the records of the cells: those that this process made, and others as their files have them now."""
        known = read_bench_records(self.bench)
        found = [self.made.get(cell) or record_of(known, cell) for cell in self.cells]
        return in_table_order(self.bench, [record for record in found if record])

    def _save(self) -> None:
        """Write the records, with the words of the spec; other processes may have written or merged some meanwhile."""
        with self.saving, lock_records(self.bench):
            self.records = [with_words(self.bench, record) for record in self._present()]
            save_records(self.bench, self.records, self.shard)


def prepare(bench: Bench, places: Places, run_command: RunCommand, console: Console) -> None:
    """Run each preparation whose result is missing, or that was last completed with another command.

    Later ones whose commands name its result are then run too. What another process prepares is waited for. Raises
    GanzooError with the last line of a preparation that fails.

    Args:
        bench: the table.
        places: the folders of the runs and of the data.
        run_command: a function that runs a command of ganzoo in a child process.
        console: prints the names of the preparations that are run.
    """
    # A note is written at the end: an interrupted preparation runs again.
    notes = {name: places.root / bench.name / f".{name}.made" for name in bench.spec.prepare}
    for number, (name, one) in enumerate(bench.spec.prepare.items(), 1):
        command, result, note = bench.filled(one.command, places), bench.filled(one.makes, places), notes[name]
        waiting = f"{bench.name}: preparing {name}: another process does it already; waiting for it"
        # Another shard may be making it. The command may lock .NAME.lock itself, to build the folder NAME.
        with _lock_or_wait(note.with_name(f"{note.name}.lock"), console, waiting):
            if Path(result).exists() and note.is_file() and note.read_bytes() == command.encode(errors="replace"):
                continue
            for other, later in [*bench.spec.prepare.items()][number:]:
                if result in bench.filled(later.command, places):
                    notes[other].unlink(missing_ok=True)
            console.say(f"{bench.name}: preparing {name}")
            done = run_command(bench.words(one.command, places), dict(os.environ))
            if done.returncode == BusyError.exit_code:  # such as of the command of a bench that was killed
                console.say(waiting)
            while done.returncode == BusyError.exit_code:
                time.sleep(PAUSE)
                done = run_command(bench.words(one.command, places), dict(os.environ))
            if done.returncode:
                raise GanzooError(f"{bench.file}: prepare.{name}: {last_line(done)}")
            note.parent.mkdir(parents=True, exist_ok=True)
            write_text(note, command)


def _lock_or_wait(file: Path, console: Console, waiting: str) -> ProcessLock:
    """Lock a file; if another process has the lock, print ``waiting`` and wait."""
    try:
        return lock_file(file, "")
    except BusyError:
        console.say(waiting)
        return wait_for_lock(file)


def job_environments(jobs: int) -> list[dict[str, str]]:
    """Return the environment variables of each job: one of the visible GPUs, if any, and a share of the cores.

    The cores are shared only among several jobs, and only if OMP_NUM_THREADS is not set.
    """
    import torch

    count = torch.cuda.device_count()
    named = [one.strip() for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one.strip()]
    visible = (named or [str(i) for i in range(count)])[:count]
    share = max(1, (os.cpu_count() or 1) // jobs)
    threads = {"OMP_NUM_THREADS": str(share)} if jobs > 1 and "OMP_NUM_THREADS" not in os.environ else {}
    return [({"CUDA_VISIBLE_DEVICES": visible[i % count]} if count else {}) | threads for i in range(jobs)]


@contextmanager
def _interrupt_on_sigterm() -> Iterator[None]:
    """Within the block, let SIGTERM end this process as Ctrl-C does; only in the main thread."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
