"""The tables in benchmarks/: specs and their recipes are valid, and each table on a page is what its records give."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo.bench.page import update_page
from ganzoo.bench.spec import Places, read_spec, resolve_places
from ganzoo.errors import GanzooError
from ganzoo.recipe.reader import read_recipe

ROOT = Path(__file__).resolve().parents[1]
SPECS = sorted((ROOT / "benchmarks").glob("*.yaml"))
SCALED = [(file, scale) for file in SPECS for scale in ["", *read_spec(file).spec.scales]]
ABSENT = Places(Path("/absent/runs"), Path("/absent/data"))


@pytest.mark.parametrize(("file", "scale"), SCALED, ids=lambda one: one.stem if isinstance(one, Path) else one)
def test_the_recipes_of_a_table_are_valid(file: Path, scale: str) -> None:
    """Only what lies in the absent folders may be missing."""
    bench = read_spec(file, scale)
    for cell in bench.cells():
        if cell.seed != bench.spec.seeds[0]:
            continue
        mistakes = ""
        try:
            read_recipe(bench.recipe(cell), bench.changes(cell, ABSENT))
        except GanzooError as error:
            mistakes = str(error)
        assert all("/absent/" in line and "unknown" not in line for line in mistakes.splitlines()), mistakes
    for one in bench.spec.prepare.values():
        assert "/absent/runs" in bench.filled(one.makes, ABSENT)


@pytest.mark.parametrize(("file", "scale"), SCALED, ids=lambda one: one.stem if isinstance(one, Path) else one)
def test_a_table_on_a_page_is_what_its_records_give(file: Path, scale: str) -> None:
    bench = read_spec(file, scale)
    if not bench.records.is_file():
        pytest.skip(f"{bench.name} has not been run yet: there are no records")
    update_page(bench, resolve_places(Path("runs/bench"), None), check=True)
