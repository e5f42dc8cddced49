"""What a table would run: its protocol, the paper's, and how they differ, for ``ganzoo bench --dry-run``."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from ganzoo.bench.records import Shard, missing_cells, read_bench_records
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.errors import MissingResourceError
from ganzoo.recipe.quick_check import read_document
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.core_yaml import flow
from ganzoo.weights.store import without_downloads

PARTS = ("method", "networks", "maskers", "losses", "data", "images", "train", "evaluate")


def describe_plan(bench: Bench, places: Places, only: Sequence[str] = (), shard: Shard | None = None) -> Iterator[str]:
    """Yield the lines of a table's plan; no image is read, and nothing is run or downloaded.

    The lines are the paper's protocol, how all rows differ from it, how settings were chosen; then each row's recipe on
    the first data set, with every option, what it changes on a data set alone, its own differences and its own choices;
    at the end the number of the table's runs, and of a shard's. If the folder of the data is not known, ``DATA`` stands
    for it. Where this machine lacks what a recipe reads, only set options are shown.

    Args:
        bench: the table.
        places: the folders of the runs and of the data.
        only: names of the rows to describe; empty for all rows.
        shard: the share of the runs to count; None: all.

    Raises GanzooError for a wrong recipe or an invalid record.
    """
    spec = bench.spec
    known = Places(places.root, places.data or Path("DATA"))
    yield f"{spec.title} ({bench.file}{f', {bench.scale}' if bench.scale else ''})"
    if spec.paper:
        yield f"in the paper: {spec.paper.protocol}"
        yield from _differences(spec.differs, "all rows")
    yield from ([f"settings: {spec.budget}"] if spec.budget else [])
    for name, one in spec.prepare.items():
        yield f"first: {name}: ganzoo {shlex.join(bench.words(one.command, known))}"
    for row, about in ((row, about) for row, about in spec.rows.items() if not only or row in only):
        cell = next(cell for cell in bench.cells() if cell.row == row)
        yield ""
        yield f"{row}: {about.label} ({bench.recipe(cell).name})"
        yield from _describe_recipe(bench.recipe(cell), bench.changes(cell, known))
        for data, own in spec.data.items():
            if row in own.rows:
                yield f"  on {data}: {', '.join(bench.filled(change, known) for change in own.rows[row])}"
        if spec.paper:
            yield from (f"  {line}" for line in _differences(about.differs, "this row alone"))
        yield from ([f"  settings: {about.budget}"] if about.budget else [])
    yield ""
    missing = missing_cells(bench, read_bench_records(bench))
    yield _count_runs(bench, len(missing))
    if shard:
        cells = shard.cells(bench)
        names = ", ".join(cell.name for cell in cells if cell in missing)
        yield f"shard {shard.index}/{shard.count}: {len(cells)} of them; without a record: {names or 'none'}"


def _describe_recipe(file: Path, changes: list[str]) -> Iterator[str]:
    """Yield a line for each part of a recipe, with every option; only with those that are set if something is missing.

    A preparation may create what is missing, such as the weights of a masker.
    """
    missing = []
    try:
        with without_downloads():
            parts = read_recipe(file, changes).resolved()
    except MissingResourceError as error:
        parts, missing = read_document(file, changes)[0].data, str(error).splitlines()
    yield from (f"  {part}: {flow(parts[part])}" for part in PARTS if parts.get(part))
    yield from (f"  not here yet, so options that are not set are not shown: {line}" for line in missing)


def _differences(differs: list[str], of: str) -> Iterator[str]:
    if not differs:
        yield f"differs from the paper, {of}: in nothing that is known"
    for one in differs:
        yield f"differs from the paper, {of}: {one}"


def _count_runs(bench: Bench, missing: int) -> str:
    cells: list[Cell] = [*bench.cells()]
    count = f"{len(cells)} run{'s' if len(cells) > 1 else ''}: {len(bench.spec.rows)} rows"
    count += f" × {len(bench.spec.data)} data sets" if bench.spec.data else ""
    seeds = f"{len(bench.spec.seeds)} seeds, which vary" if len(bench.spec.seeds) > 1 else "1 seed"
    return f"{count} × {seeds}; {missing} without a record (outdated ones count as recorded)"
