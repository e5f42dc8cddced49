"""The records of a table: one file beside its spec, and one for each shard while several processes run the table."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ganzoo.bench.spec import Bench, Cell
from ganzoo.provenance.record import Record, read_records
from ganzoo.utils.atomic import ProcessLock, wait_for_lock
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.jsonl import to_json, write_text


@dataclass(frozen=True)
class Shard:
    """A share of a table's cells: each ``count``-th one, from the ``index``-th on.

    Args:
        index: 1 … ``count``.
        count: the number of shards.
    """

    index: int
    count: int

    def cells(self, bench: Bench) -> list[Cell]:
        """Return the shard's cells of a table, which do not depend on what was run already."""
        return in_running_order(bench)[self.index - 1 :: self.count]


def in_running_order(bench: Bench) -> list[Cell]:
    """Return the cells of a table in the order in which they are run: all rows of a seed before the next seed."""
    return sorted(bench.cells(), key=lambda cell: bench.spec.seeds.index(cell.seed))


def records_file(bench: Bench, shard: Shard | None) -> Path:
    """Return the file of a table's records, ``NAME.jsonl``, or of a shard's, ``NAME.2-of-4.jsonl``."""
    return bench.records.with_name(f"{bench.name}.{shard.index}-of-{shard.count}.jsonl") if shard else bench.records


def shard_files(bench: Bench) -> list[Path]:
    """Return the existing files of a table's shards."""
    pattern = re.compile(rf"{re.escape(bench.name)}\.\d+-of-\d+\.jsonl")
    return sorted(file for file in bench.records.parent.iterdir() if pattern.fullmatch(file.name))


def read_bench_records(bench: Bench) -> list[Record]:
    """Return the records of a table and of its shards, in the table's order; empty if there are none yet.

    Of several records of a cell one counts, see ``in_table_order``. Records of cells that the table does not have are
    left out. Raises GanzooError if a file cannot be read or has an invalid record.
    """
    files = [bench.records] if bench.records.is_file() else []
    return in_table_order(bench, [record for file in [*files, *shard_files(bench)] for record in read_records(file)])


def record_of(records: Iterable[Record], cell: Cell) -> Record | None:
    """Return the record of a cell; None if there is none."""
    return next((one for one in records if _cell(one) == cell), None)


def missing_cells(bench: Bench, records: Sequence[Record]) -> list[Cell]:
    """Return the cells of a table that have no complete record, in the order in which they are run."""
    complete = {_cell(record) for record in records if record.status == "ok"}
    return [cell for cell in in_running_order(bench) if cell not in complete]


def save_records(bench: Bench, records: Iterable[Record], shard: Shard | None) -> None:
    """Write the records of a table, or of a shard, in the table's order. Raises GanzooError if they cannot be written.

    Records of cells that the table does not have are left out. A shard's file keeps the records of cells that became
    another shard's when the spec got more rows or seeds.
    """
    file = records_file(bench, shard)
    if shard and file.is_file():
        own = shard.cells(bench)
        records = [*records, *(one for one in read_records(file) if _cell(one) not in own)]
    write_text(file, "".join(to_json(one.fields()) + "\n" for one in in_table_order(bench, records)))


def lock_path(file: Path) -> Path:
    """Return the path of the lock of a file of records, in the cache folder, where its folder is made."""
    locks = cache_folder() / "benches"
    with suppress(OSError):  # where nothing can be written, nothing is locked
        locks.mkdir(parents=True, exist_ok=True)
    return locks / f"{sha256(os.fsencode(os.path.realpath(file))).hexdigest()[:24]}.lock"


def lock_records(bench: Bench) -> ProcessLock:
    """Wait until no other process of this machine reads a table's files of records to write them; return the lock."""
    return wait_for_lock(lock_path(bench.records).with_suffix(".saving"))


def with_words(bench: Bench, record: Record) -> Record:
    """Return a record of a table's cell with the words of the spec, as it is now, on its protocol and settings."""
    row = record.cell["row"]
    return record.model_copy(update={"differs": bench.differs(row), "budget": bench.budget(row)})


def merge_shards(bench: Bench) -> None:
    """Once every cell has a complete record, write all records to the table's own file, and delete the shards' files.

    Raises GanzooError if a file cannot be read or written.
    """
    with lock_records(bench):
        found = {file: file.read_bytes() for file in shard_files(bench)}
        records = read_bench_records(bench)
        if not found or missing_cells(bench, records):
            return
        save_records(bench, [with_words(bench, one) for one in records], None)
        for file, content in found.items():
            with suppress(OSError):
                if file.read_bytes() == content:  # else another machine has just written more
                    file.unlink()


def _inputs(record: Record) -> tuple[object, ...]:
    return record.recipe_key, record.cell.get("prepared"), {name: one.code for name, one in record.plugins.items()}


def _cell(record: Record) -> Cell:
    return Cell(record.cell.get("row", ""), record.cell.get("data", ""), record.seed)


def in_table_order(bench: Bench, records: Iterable[Record]) -> list[Record]:
    """Return one record of each cell, in the table's order: the latest, or a complete one before a failed one.

    A failed record counts before an earlier complete one if the recipe, the preparation or the plugins have changed in
    between: the complete one is then outdated, and the table must show why there is no other.
    """
    chosen: dict[Cell, Record] = {}
    for record in sorted(records, key=lambda one: one.time):
        before = chosen.get(_cell(record))
        if before and before.status == "ok" != record.status and _inputs(before) == _inputs(record):
            continue
        chosen[_cell(record)] = record
    return [chosen[cell] for cell in bench.cells() if cell in chosen]
