"""Write or check a table between two markers of a page, and the heat map of a matrix beside the page."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ganzoo.bench.heatmap import heat_map
from ganzoo.bench.render import markdown
from ganzoo.bench.runner import read_bench_records
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import ImageChecksums, read_sets, stale
from ganzoo.bench.table import Table, build_matrix_table, build_table
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.provenance.record import Record
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.jsonl import write_text


def current(bench: Bench, places: Places) -> Table:
    """Return the table that the records give now.

    A row is outdated where its recipe is no longer valid. Where this machine only lacks images, weights or a bank, the
    row is not marked; stderr says what was not checked.
    """
    checksums = ImageChecksums()
    known = Places(places.root, places.data or Path("/nowhere"))
    unchecked: dict[str, str] = {}

    def outdated(cell: Cell, record: Record) -> list[str]:
        changes, part = bench.changes(cell, known), "recipe"
        try:
            recipe = read_recipe(bench.recipe(cell), changes)
            part = "sets"
            sets = read_sets(bench, recipe, known)
        except MissingResourceError as error:
            unchecked.setdefault(cell.row, _without_place(str(error).splitlines()[0], changes))
            return []
        except GanzooError:
            return [part]
        if record.data.keys and not checksums.of(recipe):
            unchecked.setdefault(cell.row, "its images are not here")
        return stale(bench, record, recipe, sets, checksums)

    table = (build_matrix_table if bench.spec.matrix else build_table)(bench, read_bench_records(bench), outdated)
    for row, why in unchecked.items():
        print(f"not checked: {row}: {why}", file=sys.stderr)
    return table


def _without_place(line: str, changes: Sequence[str]) -> str:
    """Return a line of an error without the place in a recipe that it begins with."""
    for change in changes:
        line = line.removeprefix(f"command line: {change}: ")
    return re.sub(r"^.*?\.ya?ml(:\d+)?: ", "", line)


def image_of(bench: Bench) -> Path | None:
    """Return the file of a matrix's heat map, beside the page; None for a table of columns."""
    return bench.page.with_name(f"{bench.name}.svg") if bench.page and bench.spec.matrix else None


def markers_of(bench: Bench) -> re.Match[str]:
    """Return the text of a table's page: before the first marker, between the two, and after the second.

    Raises GanzooError where the spec names no page, and where the page or the markers are missing.
    """
    page, name = bench.page, re.escape(bench.name)
    if page is None:
        raise GanzooError(f"{bench.file}: it names no page on which the table stands; page: FILE")
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise GanzooError(f"{page}: cannot be read: {error.strerror}") from None
    found = re.match(rf"(?s)(.*<!-- {name} table[^\n]*-->)(.*)(<!-- end of {name} table -->.*)", text)
    if not found:
        raise GanzooError(
            f"{page}: the markers <!-- {bench.name} table --> and <!-- end of {bench.name} table --> are missing"
        )
    return found


def settle(bench: Bench, places: Places, *, check: bool) -> Table:
    """Put a table between its markers on its page, ``<!-- NAME table … -->`` and ``<!-- end of NAME table -->``.

    A matrix is also drawn, as NAME.svg beside the page.

    Args:
        bench: the table, whose spec names a page.
        places: where the runs and the data lie.
        check: compare only.

    Returns the table. Raises GanzooError where the markers are missing, and with ``check`` where the page differs.
    """
    markers, page, table = markers_of(bench), bench.page, current(bench, places)
    assert page is not None
    made = f"\n{markdown(table)}\n"
    again = f"ganzoo table {bench.file}{f' --scale {bench.scale}' if bench.scale else ''} --write writes it"
    if check and markers[2] != made:
        raise GanzooError(f"{page}: the table {bench.name} is not what its records give; {again}")
    image = image_of(bench)
    drawn = heat_map(bench, read_bench_records(bench)) if image else ""
    if check and image and (not image.is_file() or image.read_text(encoding="utf-8") != drawn):
        raise GanzooError(f"{image}: it is not what the records of {bench.name} give; {again}")
    if not check:
        write_text(page, markers[1] + made + markers[3])
        if image:
            write_text(image, drawn)
    return table
