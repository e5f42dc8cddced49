"""Tables on pages: between two markers, made anew or compared; the heat map of a matrix beside its page."""

from __future__ import annotations

import re
from pathlib import Path

from ganzoo.bench.heatmap import heat_map
from ganzoo.bench.matrix_table import matrix_of
from ganzoo.bench.rendering import markdown
from ganzoo.bench.running import kept, stale
from ganzoo.bench.sets import sets_of
from ganzoo.bench.spec import Bench, Cell, Places
from ganzoo.bench.table import Table, table_of
from ganzoo.errors import GanzooError
from ganzoo.fingerprint import data_key
from ganzoo.recipe import Recipe
from ganzoo.recipe_reader import read_recipe
from ganzoo.records import write_text
from ganzoo.result import Record


def current(bench: Bench, places: Places) -> Table:
    """Return a table as its records give it now.

    Pictures are compared with those of the records where they are here; where they are not, nothing is said of them.
    """
    seen: dict[str, dict[str, str]] = {}
    known = Places(places.root, places.data or Path("/nowhere"))

    def outdated(cell: Cell, record: Record) -> list[str]:
        changes = bench.changes(cell, known)
        try:
            recipe = read_recipe(bench.recipe(cell), changes)
            sets = sets_of(bench, recipe, known)
        except GanzooError:  # what it needs, such as a bank or weights, is not on this machine
            return []
        return stale(bench, record, recipe, sets) + _other_pictures(record, recipe, seen)

    return (matrix_of if bench.spec.matrix else table_of)(bench, kept(bench), outdated)


def picture_of(bench: Bench) -> Path | None:
    """Return the file of a matrix's heat map, beside the page; None for a table of columns."""
    return bench.page.with_name(f"{bench.name}.svg") if bench.page and bench.spec.matrix else None


def _other_pictures(record: Record, recipe: Recipe, seen: dict[str, dict[str, str]]) -> list[str]:
    where = str(recipe.data.resolved())
    if where not in seen:
        try:
            dataset = recipe.data.make()
            seen[where] = {split: data_key(dataset, split) for split in ("train", "validation", "test")}
        except GanzooError:  # the pictures are not on this machine
            seen[where] = {}
    now = seen[where]
    return ["pictures"] if any(now and now[split] != key for split, key in record.data.keys.items()) else []


def settle(bench: Bench, places: Places, *, check: bool) -> None:
    """Put a table between its markers on its page, ``<!-- NAME table … -->`` and ``<!-- end of NAME table -->``.

    A matrix is also drawn, as NAME.svg beside the page.

    Args:
        bench: the table, whose spec names a page.
        places: where runs are kept, and the data lies.
        check: whether to compare only.

    Raises GanzooError where the markers are missing, and, to check, where another table stands there.
    """
    page = bench.page
    if page is None:
        raise GanzooError(f"{bench.file}: it names no page on which the table stands; page: FILE")
    try:
        text = page.read_text(encoding="utf-8")
    except OSError as error:
        raise GanzooError(f"{page}: cannot be read: {error.strerror}") from None
    name = re.escape(bench.name)
    markers = re.match(rf"(?s)(.*<!-- {name} table[^\n]*-->)(.*)(<!-- end of {name} table -->.*)", text)
    if not markers:
        raise GanzooError(
            f"{page}: the markers <!-- {bench.name} table --> and <!-- end of {bench.name} table --> are missing"
        )
    made = f"\n{markdown(current(bench, places))}\n"
    again = f"ganzoo table {bench.file}{f' --scale {bench.scale}' if bench.scale else ''} --write writes it"
    if check and markers[2] != made:
        raise GanzooError(f"{page}: the table {bench.name} is not what its records give; {again}")
    picture = picture_of(bench)
    drawn = heat_map(bench, kept(bench)) if picture else ""
    if check and picture and (not picture.is_file() or picture.read_text(encoding="utf-8") != drawn):
        raise GanzooError(f"{picture}: it is not what the records of {bench.name} give; {again}")
    if not check:
        write_text(page, markers[1] + made + markers[3])
        if picture:
            write_text(picture, drawn)
