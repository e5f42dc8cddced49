"""Curves of values during training: from the log into records, and from records into a drawing beside the page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

from ganzoo.bench.columns import Column
from ganzoo.bench.curves import WIDTH, draw_curves, with_history
from ganzoo.bench.heatmap import COLOURS
from ganzoo.bench.page import update_page
from ganzoo.bench.runner import run as run_bench
from ganzoo.bench.spec import Places
from ganzoo.provenance.record import read_records
from ganzoo.utils.jsonl import JsonLines
from tests.support.bench_records import Runs, record, spec
from tests.support.command_line import refusal

CURVES: list[dict[str, Any]] = [{"value": "fd_AB", "also": "fd", "label": "FD"}, {"value": "kd_AB", "label": "KD"}]


def test_a_records_history_is_that_of_its_log(tmp_path: Path) -> None:
    log = JsonLines(tmp_path / "metrics.jsonl")
    log.append(step=0, split="validation", values={"fd": 9.0, "other": 1.0})
    log.append(step=5, losses={"gan": 1.0})
    log.append(step=10, split="validation", values={"fd": 8.0})
    log.append(step=10, split="validation", values={"fd": 7.0})
    log.append(step=20, split="validation", values={"fd": float("nan")})
    log.append(step=30, split="test", values={"fd": 1.0})
    done = with_history(record("one", 0, {"fd": 7.0}), tmp_path, [Column(**one) for one in CURVES])
    assert done.history == {"fd": [(0, 9.0), (10, 7.0)], "kd_AB": []}  # a value that no evaluation has is known, too


def test_a_value_that_a_run_does_not_have_does_not_make_it_outdated_for_ever(tmp_path: Path, runs: Runs) -> None:
    every = ["train.steps=2", "evaluate.every=1"]
    bench = spec(tmp_path, seeds=[0], set=every, curves=[{"value": "other_AB", "label": "other"}])
    for _ in range(2):
        run_bench(bench, Places(tmp_path / "runs"), jobs=1)
    assert runs.names == ["one-seed0", "two-seed0"]


def test_the_history_of_a_run_of_no_steps_is_what_was_measured(tmp_path: Path, runs: Runs) -> None:
    untranslated = ["method=untranslated", "networks=null", "train.steps=0", "train.ema=0"]
    untranslated += ["images={size: 32, load: 32}", "evaluate.metrics=[swd]"]
    rows = {"one": {"label": "One", "recipe": "tiny.yaml", "set": untranslated}}
    curves = [{"value": "swd_AB", "also": "swd", "label": "SWD"}]
    bench = spec(tmp_path, seeds=[0], rows=rows, curves=curves, columns=curves)
    for _ in range(2):  # the second time nothing is missing
        run_bench(bench, Places(tmp_path / "runs"), jobs=1)
    (found,) = read_records(bench.records)
    assert found.history == {"swd_AB": [(0, found.values["swd_AB"])]} and runs.names == ["one-seed0"]


def test_a_chart_for_each_value_and_a_line_for_each_run(tmp_path: Path) -> None:
    bench = spec(tmp_path, curves=CURVES, seeds=[0, 1])
    history = {"fd_AB": [(0, 100.0), (50, 60.0), (100, 50.0)], "kd_AB": [(0, 4.0), (100, 2.0)]}
    records = [
        record("one", 0, {}).model_copy(update={"history": history}),
        record("one", 1, {}).model_copy(update={"history": {**history, "kd_AB": [(0, 4.0)]}}),
        record("two", 0, {}).model_copy(update={"history": {"fd": [(0, 80.0)]}}),  # a method with one direction
    ]
    root = fromstring(draw_curves(bench, records))
    first, second = root.findall("{*}g")
    lines = first.findall("{*}path[@class='line c0']")
    assert len(lines) == 2 and len(second.findall("{*}path[@class='line c0']")) == 2
    points = [tuple(map(float, one.split())) for one in re.findall(r"[\d.]+ [\d.]+", lines[0].get("d") or "")]
    assert [round(x - points[0][0]) for x, _ in points] == [0, WIDTH / 2, WIDTH]
    (_, start), (_, middle), (_, end) = points
    assert round((middle - start) / (end - start), 2) == 0.8  # 100 → 60 of 100 → 50; a lower value is lower
    (dashed,) = first.findall("{*}path[@class='line c1']")
    assert dashed.get("stroke-dasharray") and f"h{WIDTH}" in (dashed.get("d") or "")
    words = [one.text for one in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"FD", "KD", "One", "Two"} <= set(words)


def test_after_the_last_colour_lines_have_another_pattern(tmp_path: Path) -> None:
    names = [f"row{i}" for i in range(2 * len(COLOURS) + 1)]
    rows = {name: {"label": name, "recipe": "tiny.yaml"} for name in names}
    bench = spec(tmp_path, rows=rows, curves=CURVES, seeds=[0])
    history = {"fd_AB": [(0, 100.0), (50, 60.0)]}
    records = [record(name, 0, {}).model_copy(update={"history": history}) for name in names]
    root = fromstring(draw_curves(bench, records))
    chart, legend = root.find("{*}g"), root
    assert chart is not None
    for part in (chart, legend):
        lines = [one for one in part.findall("{*}path") if (one.get("class") or "").startswith("line")]
        styles = [(one.get("class"), one.get("stroke-dasharray")) for one in lines]
        assert len(styles) == len(names) == len(set(styles))
        assert styles[0][0] == styles[len(COLOURS)][0] and "6 4" not in [dashes for _, dashes in styles]


def test_without_records_the_charts_are_empty(tmp_path: Path) -> None:
    root = fromstring(draw_curves(spec(tmp_path, curves=CURVES), []))
    assert len(root.findall("{*}g")) == 2 and not root.findall("{*}g/{*}path[@class='line c0']")


def test_the_drawing_lies_beside_the_page_and_edits_are_detected(tmp_path: Path, runs: Runs) -> None:
    curves = [{"value": "cycle_l1_AB", "label": "cycle"}]
    words: dict[str, Any] = {"seeds": [0], "set": ["train.steps=2", "evaluate.every=1"]}
    places = Places(tmp_path / "runs")
    run_bench(spec(tmp_path, **words), places, jobs=1)
    trained = len(runs.names)
    bench = spec(tmp_path, **words, curves=curves)
    run_bench(bench, places, jobs=1)  # the records lack the curves, which the runs' logs have
    assert [[step for step, _ in one.history["cycle_l1_AB"]] for one in read_records(bench.records)] == [[0, 1, 2]] * 2
    assert len(runs.names) == 2 * trained and not [*(tmp_path / "runs").rglob("*.before-*")]
    update_page(bench, places, check=False)
    drawing = tmp_path / "spec-curves.svg"
    update_page(bench, places, check=True)
    drawing.write_text(drawing.read_text().replace("cycle", "cicle"))
    assert "spec-curves.svg: it is not what the table's records give" in refusal(update_page, bench, places, check=True)
