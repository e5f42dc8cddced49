"""Write or check a table between two markers of a page, and its heat map and curves beside the page.

``ganzoo bench`` and ``ganzoo table`` use it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from ganzoo.bench.curves import draw_curves
from ganzoo.bench.heatmap import heat_map
from ganzoo.bench.records import merge_shards, missing_cells, read_bench_records
from ganzoo.bench.render import markdown
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.staleness import ImageChecksums, read_sets, stale
from ganzoo.bench.table import Table, build_matrix_table, build_table
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.provenance.record import Record
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.jsonl import write_text
from ganzoo.utils.program import program_name
from ganzoo.utils.terminal import escape_controls
from ganzoo.weights import download, store

NAMED = 6
"""Number of missing runs that are named."""


def current_table(bench: Bench, places: Places) -> Table:
    """Return the table that the records give now; rows whose recipe, code or images changed are marked as outdated.

    A row is also outdated if its recipe is no longer valid. If this machine only lacks its images, weights or a bank,
    which are not downloaded, the row is not marked; stderr says what was not checked, and which runs are missing.
    Raises GanzooError for an invalid record.
    """
    checksums = ImageChecksums()
    known = Places(places.root, places.data or Path("/nowhere"))  # recipes are checked without the data folder too
    unchecked: dict[str, str] = {}

    @store.without_downloads()  # of weights
    @download.without_downloads()  # of images
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
            unchecked.setdefault(cell.row, "its images are not on this machine")
        return stale(bench, record, recipe, sets, checksums)

    records = read_bench_records(bench)
    table = (build_matrix_table if bench.spec.matrix else build_table)(bench, records, outdated)
    notes = [f"not checked: {row}: {why}" for row, why in unchecked.items()]
    if missing := missing_cells(bench, records):
        names = ", ".join(cell.name for cell in missing[:NAMED]) + (", …" if len(missing) > NAMED else "")
        notes.append(f"{bench.name}: {len(missing)} of {len(list(bench.cells()))} runs are missing: {names}")
    for note in notes:
        print(escape_controls(note), file=sys.stderr)
    return table


def _without_place(line: str, changes: Sequence[str]) -> str:
    """Return a line of an error without the place in a recipe or on the command line that it begins with."""
    for change in changes:
        line = line.removeprefix(f"command line: {change}: ")
    return re.sub(r"^.*?\.ya?ml(:\d+)?: ", "", line)


def update_page(bench: Bench, places: Places, *, check: bool) -> Table:
    """Write a table between its markers on its page, or check it; return the table.

    The markers are ``<!-- NAME table … -->`` and ``<!-- end of NAME table -->``. A matrix is also drawn, as NAME.svg
    beside the page, and curves as NAME-curves.svg. Before a complete table is written, its shards' records are merged.

    Args:
        bench: the table, whose spec names a page.
        places: the folders of the runs and of the data.
        check: whether to compare only, and write nothing.

    Raises GanzooError if the spec names no page, the page lacks the markers or cannot be read or written, and with
    ``check`` if the page or the drawing differs.
    """
    page = page_of(bench)
    split_page(page, bench.name)
    if not check:
        merge_shards(bench)
    table = current_table(bench, places)
    command = f"{program_name()} table {bench.file}{f' --scale {bench.scale}' if bench.scale else ''} --write"
    replace_table(page, bench.name, markdown(table), command=command, check=check)
    records = read_bench_records(bench)
    if bench.spec.matrix:
        _write_drawing(page.with_name(f"{bench.name}.svg"), heat_map(bench, records), command, check)
    if bench.spec.curves:
        _write_drawing(page.with_name(f"{bench.name}-curves.svg"), draw_curves(bench, records), command, check)
    return table


def is_unused(bench: Bench) -> bool:
    """Return whether a table has neither records nor a place on its page. Raises GanzooError as ``split_page`` does."""
    page = page_of(bench)
    if read_bench_records(bench) or not page.is_file():
        return False
    return f"<!-- {bench.name} table" not in page.read_text(encoding="utf-8", errors="replace")


def _write_drawing(file: Path, drawing: str, command: str, check: bool) -> None:
    if not check:
        write_text(file, drawing)
    elif not file.is_file() or file.read_text(encoding="utf-8", errors="replace") != drawing:
        raise GanzooError(f"{file}: it is not what the table's records give; {command} writes it")


def page_of(bench: Bench) -> Path:
    """Return the page of a table. Raises GanzooError if the spec names none."""
    if bench.page is None:
        raise GanzooError(f"{bench.file}: it names no page for the table; page: FILE")
    return bench.page


def split_page(page: Path, name: str) -> re.Match[str]:
    """Return a match of a page's text with three groups: before, between and after the markers of a table.

    The first and the third group include the markers. Raises GanzooError if the page cannot be read or lacks the
    markers.
    """
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise GanzooError(f"{page}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise GanzooError(f"{page}: not text (UTF-8), so the table has no place in it") from None
    pattern = re.escape(name)
    parts = re.match(rf"(?s)(.*<!-- {pattern} table[^\n]*-->)(.*)(<!-- end of {pattern} table -->.*)", text)
    if not parts:
        raise GanzooError(f"{page}: the markers <!-- {name} table --> and <!-- end of {name} table --> are missing")
    return parts


def replace_table(page: Path, name: str, table: str, *, command: str, check: bool) -> None:
    """Write a table between its markers; with ``check``, only compare.

    Args:
        page: the Markdown file.
        name: the table's name in its markers.
        table: the new table, in Markdown.
        command: the command that writes the table, for the error.
        check: whether to compare only, and write nothing.

    Raises GanzooError if the page lacks the markers or cannot be read or written, and with ``check`` if the page has
    another table.
    """
    parts, text = split_page(page, name), f"\n{table}\n"
    if not check:
        write_text(page, parts[1] + text + parts[3])
    elif parts[2] != text:
        raise GanzooError(f"{page}: the table {name} is not what its records give; {command} writes it")
