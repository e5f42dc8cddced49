"""Tables of records: means and spreads, the best beyond the spread, the paper's figures, footnotes, four formats."""

from __future__ import annotations

import csv
import io
import statistics
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from bench_records import record, write_spec

from ganzoo.bench.rendering import FORMATS, comma_separated, hypertext, latex, markdown
from ganzoo.bench.spec import Bench, read_spec
from ganzoo.bench.table import Table, table_of
from ganzoo.result import Record

VALUES = {"one": [0.1, 0.2], "two": [0.5, 0.7]}


def records(values: dict[str, list[float]] = VALUES, **about: Any) -> list[Record]:
    cells = [(row, seed, value) for row, found in values.items() for seed, value in enumerate(found)]
    return [record(row, seed, {"cycle_l1_AB": value}, **about) for row, seed, value in cells]


def made(bench: Bench, found: list[Record], outdated: Any = lambda cell, one: []) -> Table:
    return table_of(bench, found, outdated)


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_a_cell_is_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    table = made(read_spec(write_spec(tmp_path)), records())
    spread = [statistics.stdev(one) for one in VALUES.values()]
    assert texts(table) == [["One", f"0.150 ± {spread[0]:.3f}"], ["Two", f"0.600 ± {spread[1]:.3f}"]]
    assert "over 2 seeds" in table.made[0] and "cycle ↓" in table.made[0]


@pytest.mark.parametrize(
    ("values", "better", "best"),
    [
        ({"one": [0.1, 0.2], "two": [0.5, 0.7]}, "less", "one"),
        ({"one": [0.1, 0.2], "two": [0.5, 0.7]}, "more", "two"),
        ({"one": [0.1, 0.2], "two": [0.5, 0.7]}, "", None),
        ({"one": [0.1, 0.5], "two": [0.5, 0.7]}, "less", None),  # the ranges meet
        ({"one": [0.1], "two": [0.5]}, "less", None),  # no spread is known
        ({"one": [0.1, 0.2]}, "less", None),  # nothing to be better than
    ],
)
def test_the_best_is_bold_only_beyond_the_spread(
    tmp_path: Path, values: dict[str, list[float]], better: str, best: str | None
) -> None:
    columns = [{"figure": "cycle_l1_AB", "label": "cycle", "better": better}]
    table = made(read_spec(write_spec(tmp_path, columns=columns)), records(values))
    assert [row[0].text.lower() for row in table.rows if row[1].bold] == ([best] if best else [])


def test_a_reference_is_never_the_best(tmp_path: Path) -> None:
    rows = {name: {"label": name, "recipe": "tiny.yaml", "reference": name == "one"} for name in ("one", "two")}
    rows["three"] = {"label": "three", "recipe": "tiny.yaml", "reference": False}
    table = made(read_spec(write_spec(tmp_path, rows=rows)), records({**VALUES, "three": [0.9, 0.91]}))
    assert [row[0].text for row in table.rows if row[1].bold] == ["two"]


def test_what_is_missing_is_said_and_never_a_number(tmp_path: Path) -> None:
    found = [
        record("one", 0, {"cycle_l1_AB": 0.25}),
        record("one", 1, {}, status="failed", why="it diverged"),
        record("two", 0, {"cycle_l1_AB": float("nan")}),
        record("two", 1, {"another": 1.0}),
    ]
    table = made(read_spec(write_spec(tmp_path)), found)
    assert texts(table) == [["One", "0.250 (n = 1)"], ["Two", "—"]]
    notes = [[table.notes[note - 1] for note in row[1].notes] for row in table.rows]
    assert notes == [["it diverged"], ["cycle_l1_AB is not finite", "the record has no figure cycle_l1_AB"]]
    nothing = made(read_spec(write_spec(tmp_path)), [])
    assert texts(nothing) == [["One", "—"], ["Two", "—"]] and nothing.notes == ["not run"]


def test_the_papers_figures_stand_in_columns_of_their_own(tmp_path: Path) -> None:
    paper = {"protocol": "3,000 pictures", "figures": {"two": {"cycle_l1_AB": 12.5}}}
    table = made(read_spec(write_spec(tmp_path, paper=paper)), records())
    assert table.head == ["", "cycle", "cycle, in the paper"]
    assert [row[2].text for row in table.rows] == ["", "12.5"]
    assert table.made[-1] == "In the paper: 3,000 pictures"


def test_data_sets_stand_side_by_side_with_their_mean(tmp_path: Path) -> None:
    data = {"x": {"label": "Monet"}, "y": {}}
    paper = {"protocol": "theirs", "figures": {"one": {"x": 1, "y": 2}}}
    found = [
        record(row, seed, {"cycle_l1_AB": value + seed}, data=name)
        for row, values in {"one": (1, 2), "two": (3, 4)}.items()
        for name, value in zip(("x", "y"), values, strict=True)
        for seed in (0, 1)
    ]
    table = made(read_spec(write_spec(tmp_path, data=data, mean=True, paper=paper)), found)
    assert table.head == ["", "Monet", "Monet, in the paper", "y", "y, in the paper", "mean"]
    assert texts(table)[0] == ["One", "1.500 ± 0.707", "1", "2.500 ± 0.707", "2", "2.000"]


def test_outdated_rows_and_notes_are_marked(tmp_path: Path) -> None:
    rows = {"one": {"label": "One", "recipe": "tiny.yaml", "note": "a remark"}, "two": {"label": "Two", "recipe": "t"}}
    changed = lambda cell, one: ["recipe", "plugin cyclegan"] if cell.row == "two" and cell.seed else []  # noqa: E731
    table = made(read_spec(write_spec(tmp_path, rows=rows)), records(), changed)
    notes = {row[0].text: [table.notes[note - 1] for note in row[0].notes] for row in table.rows}
    assert notes == {"One": ["a remark"], "Two": ["outdated: changed since it was run: recipe, plugin cyclegan"]}


def test_a_factor_and_digits_are_heeded(tmp_path: Path) -> None:
    columns = [{"figure": "cycle_l1_AB", "label": "cycle, %", "digits": 1, "factor": 100}]
    table = made(read_spec(write_spec(tmp_path, columns=columns)), records())
    assert texts(table)[0][1] == "15.0 ± 7.1"


def test_counts_network_machine_and_time_are_told(tmp_path: Path) -> None:
    about = {"metric": "fd", "n_fake": 60, "n_real": 59, "real": "B of test", "network": "torchvision/x"}
    table = made(read_spec(write_spec(tmp_path)), records(about=about))
    said = " ".join(table.made)
    assert "cycle: 60 translated, 59 real (B of test), torchvision/x pictures." in said
    assert "4 runs of 100 steps" in said and "a machine, 2 cores" in said
    assert "Made by `ganzoo bench spec.yaml`; records in `spec.jsonl`." in said


AWKWARD = "A|B <b>&_%"


def test_every_format_says_the_same(tmp_path: Path) -> None:
    rows = {"one": {"label": AWKWARD, "recipe": "t", "note": "50 % <i>"}, "two": {"label": "Two", "recipe": "t"}}
    table = made(read_spec(write_spec(tmp_path, rows=rows)), records())
    assert set(FORMATS) == {"markdown", "csv", "latex", "html"}
    cells = list(csv.reader(io.StringIO(comma_separated(table))))
    assert cells[1] == [AWKWARD, "0.150 ± 0.071", "50 % <i>"]
    assert r"| A\|B <b>&_%<sup>1</sup> | **0.150 ± 0.071** |" in markdown(table)
    assert r"A|B <b>\&\_\%$^{1}$ & \textbf{0.150 $\pm$ 0.071} \\" in latex(table)
    page = hypertext(table)
    assert "<th>A|B &lt;b&gt;&amp;_%<sup>1</sup></th><td><strong>0.150 ± 0.071</strong></td>" in page
    assert "<i>" not in page

    class Balanced(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.open: list[str] = []

        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag != "meta":
                self.open.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert self.open.pop() == tag

    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
