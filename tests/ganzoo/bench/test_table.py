"""Tables of records: means and deviations, the best in bold, the paper's values, footnotes, four formats."""

from __future__ import annotations

import csv
import io
import statistics
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench.render import FORMATS, comma_separated, hypertext, latex, markdown
from ganzoo.bench.spec import Bench, read_spec
from ganzoo.bench.table import Table, build_table
from ganzoo.provenance.record import Cost, Record
from tests.support.bench_records import record, write_spec

VALUES = {"one": [0.1, 0.2], "two": [0.5, 0.7]}


def records(values: dict[str, list[float]] = VALUES, **about: Any) -> list[Record]:
    cells = [(row, seed, value) for row, found in values.items() for seed, value in enumerate(found)]
    return [record(row, seed, {"cycle_l1_AB": value}, **about) for row, seed, value in cells]


def made(bench: Bench, found: list[Record], outdated: Any = lambda cell, one: []) -> Table:
    return build_table(bench, found, outdated)


def texts(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


def test_a_cell_is_mean_and_deviation_over_seeds(tmp_path: Path) -> None:
    table = made(read_spec(write_spec(tmp_path)), records())
    spread = [statistics.stdev(one) for one in VALUES.values()]
    assert texts(table) == [["One", f"0.150 ± {spread[0]:.3f}"], ["Two", f"0.600 ± {spread[1]:.3f}"]]
    assert "over 2 seeds" in table.details[0] and "cycle ↓" in table.details[0]


@pytest.mark.parametrize(
    ("values", "better", "best"),
    [
        ({"one": [0.1, 0.2], "two": [0.5, 0.7]}, "less", "one"),
        ({"one": [0.1, 0.2], "two": [0.5, 0.7]}, "more", "two"),
        ({"one": [0.1, 0.2], "two": [0.5, 0.7]}, "", None),
        ({"one": [0.1, 0.5], "two": [0.5, 0.7]}, "less", None),  # the ranges overlap
        ({"one": [0.1], "two": [0.5]}, "less", None),  # no deviation is known
        ({"one": [0.1], "two": [0.5, 0.7]}, "less", None),  # one without a seed's value, and no other row
        ({"one": [0.1, 0.2], "two": [0.5, 0.7], "three": [0.01]}, "less", "one"),  # the third lacks a seed's value
        ({"one": [0.1, 0.2]}, "less", None),  # no other row
    ],
)
def test_the_best_is_bold_only_if_its_range_overlaps_no_other(
    tmp_path: Path, values: dict[str, list[float]], better: str, best: str | None
) -> None:
    columns = [{"value": "cycle_l1_AB", "label": "cycle", "better": better}]
    rows = {name: {"label": name, "recipe": "tiny.yaml"} for name in ("one", "two", "three")}
    table = made(read_spec(write_spec(tmp_path, columns=columns, rows=rows)), records(values))
    assert [row[0].text.lower() for row in table.rows if row[1].bold] == ([best] if best else [])


def test_a_reference_is_never_the_best(tmp_path: Path) -> None:
    rows = {name: {"label": name, "recipe": "tiny.yaml", "reference": name == "one"} for name in ("one", "two")}
    rows["three"] = {"label": "three", "recipe": "tiny.yaml", "reference": False}
    table = made(read_spec(write_spec(tmp_path, rows=rows)), records({**VALUES, "three": [0.9, 0.91]}))
    assert [row[0].text for row in table.rows if row[1].bold] == ["two"]
    assert "if its range overlaps no other's (only for comparison: one)." in table.details[0]
    single = made(read_spec(write_spec(tmp_path, rows=rows, seeds=[0])), records({"one": [0.1], "two": [0.2]}))
    assert single.details[0] == "One seed; better: cycle ↓ (only for comparison: one)."  # nothing can be bold


def test_a_missing_value_has_its_reason_and_is_never_a_number(tmp_path: Path) -> None:
    found = [
        record("one", 0, {"cycle_l1_AB": 0.25}),
        record("one", 1, {}, status="failed", why="it diverged"),
        record("two", 0, {"cycle_l1_AB": float("nan")}),
        record("two", 1, {"another": 1.0}),
    ]
    table = made(read_spec(write_spec(tmp_path)), found)
    assert texts(table) == [["One", "0.250 (n = 1)"], ["Two", "—"]]
    notes = [[table.notes[note - 1] for note in row[1].notes] for row in table.rows]
    assert notes == [["it diverged"], ["cycle_l1_AB is not finite", "the record has no value cycle_l1_AB"]]
    nothing = made(read_spec(write_spec(tmp_path)), [])
    assert texts(nothing) == [["One", "—"], ["Two", "—"]] and nothing.notes == ["not run"]


def test_the_papers_values_have_their_own_columns(tmp_path: Path) -> None:
    paper = {"protocol": "3,000 images", "values": {"two": {"cycle_l1_AB": 12.5}}}
    table = made(read_spec(write_spec(tmp_path, paper=paper)), records())
    assert table.head == ["", "cycle", "cycle, in the paper"]
    assert [row[2].text for row in table.rows] == ["", "12.5"]
    assert table.details[-1] == "In the paper: 3,000 images"


def test_data_sets_have_columns_side_by_side_and_a_mean(tmp_path: Path) -> None:
    data = {"x": {"label": "Monet"}, "y": {}}
    paper = {"protocol": "theirs", "values": {"one": {"x": 1, "y": 2}}}
    found = [
        record(row, seed, {"cycle_l1_AB": value + seed}, data=name)
        for row, values in {"one": (1, 2), "two": (3, 4)}.items()
        for name, value in zip(("x", "y"), values, strict=True)
        for seed in (0, 1)
    ]
    table = made(read_spec(write_spec(tmp_path, data=data, mean=True, paper=paper)), found)
    assert table.head == ["", "Monet", "Monet, in the paper", "y", "y, in the paper", "mean"]
    assert texts(table)[0] == ["One", "1.500 ± 0.707", "1", "2.500 ± 0.707", "2", "2.000"]
    paper = {"protocol": "theirs", "values": {"two": {"mean": 9}}}
    table = made(read_spec(write_spec(tmp_path, data=data, mean=True, paper=paper)), found)
    assert table.head == ["", "Monet", "y", "mean", "mean, in the paper"]
    assert [row[3:] for row in texts(table)] == [["2.000", ""], ["4.000", "9"]]
    assert table.details[-1] == "In the paper: theirs"


def test_the_mean_column_is_over_the_seeds_that_have_a_value_on_every_data_set(tmp_path: Path) -> None:
    values = {
        ("one", "x"): (1.0, 9.0),
        ("one", "y"): (2.0, None),
        ("two", "x"): (-1e-5, -1e-5),
        ("two", "y"): (0.0, 0.0),
    }
    found = [
        record(row, seed, {} if value is None else {"cycle_l1_AB": value}, data=data)
        for (row, data), of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    bench = read_spec(write_spec(tmp_path, data={"x": {}, "y": {}}, mean=True))
    assert [row[-1] for row in texts(made(bench, found))] == ["1.500 (n = 1)", "0.000"]
    assert [row[-1] for row in texts(made(bench, found[:2]))] == ["—", "—"]


def test_several_columns_show_their_means_over_data_sets(tmp_path: Path) -> None:
    """The deviation is that of the means, each over the data sets of one seed; a seed that lacks one is left out."""
    values = {"x": (1.0, 2.0, 5.0), "y": (2.0, 6.0, None)}
    found = [
        record("one", seed, {"a": value, "b": 10 * value} if value else {"a": 1.0}, data=name)
        for name, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    columns = [{"value": name, "label": name.upper(), "digits": 1} for name in "ab"]
    rows = {"one": {"label": "One", "recipe": "tiny.yaml"}}
    paper = {"protocol": "theirs", "values": {"one": {"b": 30}}}
    changes = {"data": {"x": {}, "y": {}}, "mean": True, "seeds": [0, 1, 2], "rows": rows}
    table = made(read_spec(write_spec(tmp_path, columns=columns, paper=paper, **changes)), found)
    assert table.head == ["", "A", "B", "B, in the paper"]
    a, b = [1.5, 4.0, 3.0], [15.0, 40.0]
    assert texts(table) == [
        [
            "One",
            f"{statistics.mean(a):.1f} ± {statistics.stdev(a):.1f}",
            f"27.5 ± {statistics.stdev(b):.1f} (n = 2)",
            "30",
        ]
    ]
    assert [table.notes[note - 1] for note in table.rows[0][2].notes] == ["the record has no value b"]


def test_outdated_rows_and_notes_are_marked(tmp_path: Path) -> None:
    rows = {"one": {"label": "One", "recipe": "tiny.yaml", "note": "a remark"}, "two": {"label": "Two", "recipe": "t"}}
    changed = lambda cell, one: ["recipe", "plugin cyclegan"] if cell.row == "two" and cell.seed else []  # noqa: E731
    table = made(read_spec(write_spec(tmp_path, rows=rows)), records(), changed)
    notes = {row[0].text: [table.notes[note - 1] for note in row[0].notes] for row in table.rows}
    assert notes == {"One": ["a remark"], "Two": ["outdated: changed since it was run: recipe, plugin cyclegan"]}


def test_an_outdated_row_is_not_bold_and_no_worse_row_replaces_it(tmp_path: Path) -> None:
    rows = {name: {"label": name, "recipe": "tiny.yaml"} for name in ("one", "two", "three")}
    bench, found = read_spec(write_spec(tmp_path, rows=rows)), records({**VALUES, "three": [0.9, 0.91]})
    for old, bold in (("none", ["one"]), ("three", ["one"]), ("one", [])):
        table = made(bench, found, lambda cell, one, old=old: ["recipe"] if cell.row == old else [])
        assert [row[0].text for row in table.rows if row[1].bold] == bold


@pytest.mark.parametrize(
    ("value", "failed", "known", "why"),
    [
        ("fid_AB", {"kid": "no room", "fid": "no network"}, None, "no network"),
        ("digits_distance_AB", {"digits": "no room", "digits_distance": "no network"}, None, "no network"),
        ("fd_vgg16_AB", {"fd": "no room", "fd (2)": "no network"}, None, "all: no room, no network"),
        ("fd_vgg16_AB", {"fd": "no room", "fd (2)": "no network"}, "fd (2)", "no network"),
        ("read", {"kid": "no room", "digits": "no network"}, "digits", "no network"),
        ("read", {"kid": "no room", "digits": "no network"}, None, "all: no room, no network"),
        ("fid", {}, None, "all: "),
    ],
)
def test_a_missing_value_has_the_reason_of_its_own_metric(
    tmp_path: Path, value: str, failed: dict[str, str], known: str | None, why: str
) -> None:
    rows = {name: {"label": name, "recipe": "t"} for name in ("one", "two")}
    bench = read_spec(write_spec(tmp_path, rows=rows, seeds=[0], columns=[{"value": value, "label": "x"}]))
    found = [record("one", 0, {}, status="failed", why=f"all: {', '.join(failed.values())}", failed=failed)]
    found += [record("two", 0, {value: 1.0}, about={"metric": known, "n_fake": 3})] if known else []
    table = made(bench, found)
    assert [table.notes[note - 1] for note in table.rows[0][1].notes] == [why]


def test_a_record_with_a_value_counts_even_if_another_metric_failed(tmp_path: Path) -> None:
    bench = read_spec(write_spec(tmp_path, seeds=[0]))
    found = [
        record("one", 0, {"cycle_l1_AB": 0.5}, status="failed", why="kid: no room", failed={"kid": "no room"}),
        record("two", 0, {}, status="failed", why="it diverged"),
    ]
    details = " ".join(made(bench, found).details)
    assert "cycle: 3 translated images." in details
    assert "One run of 100 steps, 60 s of training on a machine, 2 cores." in details
    assert "a machine" not in " ".join(made(bench, found[1:]).details)


def test_the_steps_are_of_the_runs_and_not_of_their_best_checkpoints(tmp_path: Path) -> None:
    found = [one.model_copy(update={"trained": 40, "checkpoint": "best"}) for one in records()]
    assert "4 runs of 100 steps" in " ".join(made(read_spec(write_spec(tmp_path)), found).details)


def test_runs_without_training_are_not_counted_among_those_with(tmp_path: Path) -> None:
    untrained = record("one", 0, {"cycle_l1_AB": 0.5}).model_copy(update={"step": 0, "cost": Cost(seconds=0)})
    details = " ".join(made(read_spec(write_spec(tmp_path)), [untrained, *records()[1:]]).details)
    assert "3 runs of 100 steps, 60 s to 60 s each" in details


def test_a_method_with_one_direction_names_its_values_without_it(tmp_path: Path) -> None:
    columns = [{"value": "swd_AB", "also": "swd", "label": "SWD", "better": "less", "digits": 1}]
    about = {"metric": "swd", "n_fake": 7, "n_real": 5, "real": "B of test"}
    both = [record("one", seed, {"swd_AB": 1.0 + seed, "swd_BA": 9.0}, about=about) for seed in (0, 1)]
    one_way = [record("two", seed, {"swd": 4.0 + seed}, about=about) for seed in (0, 1)]
    table = made(read_spec(write_spec(tmp_path, columns=columns)), [*both, *one_way])
    assert texts(table) == [["One", "1.5 ± 0.7"], ["Two", "4.5 ± 0.7"]]
    assert table.rows[0][1].bold
    assert not table.notes
    assert "SWD: 7 translated, 5 real (B of test) images." in table.details


def test_a_label_may_hold_a_colon(tmp_path: Path) -> None:
    columns = [{"value": "cycle_l1_AB", "label": one} for one in ("A: first", "A: second")]
    details = made(read_spec(write_spec(tmp_path, columns=columns)), records()).details
    assert "A: first; A: second: 3 translated images." in details


def test_factor_and_digits_are_applied(tmp_path: Path) -> None:
    columns = [{"value": "cycle_l1_AB", "label": "cycle, %", "digits": 1, "factor": 100}]
    table = made(read_spec(write_spec(tmp_path, columns=columns)), records())
    assert texts(table)[0][1] == "15.0 ± 7.1"


def test_counts_network_machine_and_time_are_shown(tmp_path: Path) -> None:
    about = {"metric": "fd", "n_fake": 60, "n_real": 59, "real": "B of test", "network": "torchvision/x"}
    table = made(read_spec(write_spec(tmp_path)), records(about=about))
    details = " ".join(table.details)
    assert "cycle: 60 translated, 59 real (B of test) images, network torchvision/x." in details
    assert "4 runs of 100 steps" in details and "a machine, 2 cores" in details
    assert "Made by `ganzoo bench spec.yaml`; records in `spec.jsonl`." in details


AWKWARD = "A|B <b>&_%"
REASON = "a | <!-- end of spec table -->\n`*it* [broke] \\ 50 % & more"


SMALL = "Made by `ganzoo bench spec.yaml --scale small`."


def test_no_text_breaks_a_page(tmp_path: Path) -> None:
    found = [record("one", 0, {}, status="failed", why=REASON), record("two", 0, {}, status="failed", why="it broke")]
    columns = [{"value": "cycle_l1_AB", "label": REASON}]
    bench = read_spec(write_spec(tmp_path, columns=columns, about=REASON, seeds=[0, 1]))
    table = made(bench, [*found, record("one", 1, {}, status="failed", why="another"), *records({"two": [0.1]})])
    text = r"a \| &lt;!-- end of spec table --&gt; \`\*it\* \[broke\] \\ 50 % &amp; more"
    lines = markdown(table).splitlines()
    assert lines[0] == f"|  | {text} |" and lines[2] == "| One | —<sup>1,2</sup> |"
    assert f"<br><sup>1</sup> {text}" in lines and lines[-1] == text
    assert "Made by `ganzoo bench spec.yaml`; records in `spec.jsonl`." in markdown(table)
    assert "Made by <code>ganzoo bench spec.yaml</code>; records in <code>spec.jsonl</code>." in hypertext(table)
    lines = latex(table).splitlines()
    assert r"Made by \texttt{ganzoo bench spec.yaml}; records in \texttt{spec.jsonl}." in latex(table)
    assert r"\texttt{ganzoo bench spec.yaml {-}{-}scale small}" in latex(replace(table, details=[SMALL]))
    text = (
        r"a \textbar{} \textless{}!-- end of spec table --\textgreater{} `{*}it{*} {[}broke] "
        r"\textbackslash{} 50 \% \& more"
    )
    assert lines[2] == rf" & {text} \\" and lines[4] == r"One & ---$^{1,2}$ \\"
    assert rf"\par\footnotesize $^{{1}}$ {text}" in lines and lines[-1] == rf"\par\footnotesize {text}"
    page = hypertext(table)
    assert "<td>—<sup>1,2</sup></td>" in page and "<!-- end" not in page


def test_every_format_has_the_same_contents(tmp_path: Path) -> None:
    rows = {"one": {"label": AWKWARD, "recipe": "t", "note": "50 % <i>"}, "two": {"label": "Two", "recipe": "t"}}
    table = made(read_spec(write_spec(tmp_path, rows=rows)), records())
    assert set(FORMATS) == {"markdown", "csv", "latex", "html"}
    cells = list(csv.reader(io.StringIO(comma_separated(table))))
    assert cells[1] == [AWKWARD, "0.150 ± 0.071", "50 % <i>"]
    assert r"| A\|B &lt;b&gt;&amp;_%<sup>1</sup> | **0.150 ± 0.071** |" in markdown(table)
    label = r"A\textbar{}B \textless{}b\textgreater{}\&\_\%"
    assert label + r"$^{1}$ & \textbf{0.150 $\pm$ 0.071} \\" in latex(table)
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
