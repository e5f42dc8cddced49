"""The whole report: well formed, complete, written from the folder alone, and safe whatever the files hold."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ganzoo.data.image_io import write_image
from ganzoo.report import write_report
from ganzoo.report.page import PROGRESS_FIELDS
from ganzoo.utils.sealed import seal_object, seal_text
from tests.support.run_logs import RECIPE, TIME, Page, logged, write_lines, write_run
from tests.support.tiny_run import lines

SECTIONS = ["results", "samples", "evaluation", "losses", "speed", "recipe", "environment", "events"]
EVIL = "\"'><img src=x onerror=alert(1)></script></style></title></pre><script>alert(1)</script><!-- {{7*7}}\x00\x1b"


def report(folder: Path) -> Page:
    """Write the report of a run, and check what must hold for every report."""
    page = Page(write_report(folder).read_text(encoding="utf-8"))
    assert page.source.startswith('<!doctype html>\n<html lang="en">')
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", page.source)
    ids = [one.attributes["id"] for one in page.elements if "id" in one.attributes]
    assert len(ids) == len(set(ids))
    assert [one.attributes["id"] for one in page.all("section")] == SECTIONS
    assert not page.all("link") and not page.all("iframe") and not page.all("object") and not page.all("base")
    (script,), (style,) = page.all("script"), page.all("style")
    assert script.attributes == {}
    assert not re.search(
        r"https?:|//[a-z]|@import|url\(|fetch|import\b|eval|innerHTML", script.text.replace("// ", "") + style.text
    )
    for one in page.elements:
        for name, value in one.attributes.items():
            assert not name.startswith("on"), f"<{one.tag} {name}>"
            if name == "href":
                assert value.startswith("#") and value[1:] in ids, value
            elif name in ("src", "srcset", "action", "formaction", "data", "poster", "background"):
                assert value.startswith("data:image/"), value
            assert "://" not in value or name in ("aria-label", "title", "alt"), f"{name}={value}"
    charts = [one for one in page.all("svg") if "data-axis" in one.attributes]
    for one in [*charts, *page.all("pre"), *page.all("div", class_="wide")]:
        assert one.attributes["tabindex"] == "0", f"<{one.tag}> cannot be reached with the keyboard"
    (policy,) = page.all("meta", http_equiv="Content-Security-Policy")
    digest = base64.b64encode(hashlib.sha256(script.text.encode()).digest()).decode()
    assert policy.attributes["content"].split("; ") == [
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'", f"script-src 'sha256-{digest}'"
    ]  # fmt: skip
    return page


def curves_of(page: Page) -> dict[str, list[list[Any]]]:
    """Return the points of every curve, by its full name."""
    all_curves: dict[str, list[list[Any]]] = {}
    for section in ("evaluation", "losses", "speed"):
        part = Page(re.search(rf'<section id="{section}">.*?</section>', page.source, re.S)[0])  # type: ignore[index]
        for figure in re.findall(r'<figure class="chart">.*?</figure>', part.source, re.S):
            chart = Page(figure)
            names = [one.attributes["title"] for one in chart.all("span") if "title" in one.attributes]
            curves = [
                json.loads(one.attributes["data-points"])
                for one in chart.all("path")
                if "data-points" in one.attributes
            ]
            all_curves |= dict(zip(names, curves, strict=True))
    return all_curves


def rounded(points: list[tuple[float, float]]) -> list[list[Any]]:
    return [[step, float(f"{value:.6g}")] for step, value in points]


def test_the_report_of_a_run(whole: Path) -> None:
    page = report(whole)
    logs = lines(whole / "metrics.jsonl")
    curves = curves_of(page)
    terms = {name for one in logs for name in one.get("losses", {})}
    values = {name for one in logs for name in one.get("values", {})}
    assert {"generator/cycle_A", "discriminator/D_B"} <= terms and "cycle_l1_AB" in values
    assert set(curves) == {name.partition("/")[2] for name in terms} | values | set(PROGRESS_FIELDS)
    for name in terms:
        points = [(one["step"], one["losses"][name]) for one in logs if "losses" in one]
        assert curves[name.partition("/")[2]] == rounded(points)
    for name in values:
        assert curves[name] == rounded([(one["step"], one["values"][name]) for one in logs if "values" in one])
    for name, title in PROGRESS_FIELDS.items():
        assert title in page.section("speed")
        assert curves[name] == rounded([(one["step"], one[name]) for one in logs if name in one])
    for last in lines(whole / "results.jsonl"):
        for name, value in last["values"].items():
            assert name in page.section("results") and f"{value:.4g}" in page.section("results")
    assert [one.text for one in page.all("h3")] == ["generator", "discriminator"]
    best = json.loads((whole / "checkpoints/best/progress.json").read_text())["step"]
    assert f"min cycle_l1_AB, of step {best}." in page.section("evaluation")
    assert len(page.all("circle", class_="best")) == 1
    assert [one.attributes["id"] for one in page.all("figure", class_="grid")] == ["step-8", "step-4"]
    assert "idt_B of B, by the generator into B" in page.section("samples")
    assert "discriminator: patch" in page.section("recipe")
    assert json.loads((whole / "env.json").read_text())["python"] in page.section("environment")
    assert "finished" in page.section("events")
    assert [one.text for one in page.all("p", class_="status")] == ["finished at step 8"]


def test_it_names_no_folder_of_this_machine(whole: Path) -> None:
    recipe = (whole / "resolved.yaml").read_text() + (whole / "recipe.yaml").read_text()
    text = report(whole).source
    assert text.count(str(whole.parents[2])) == recipe.count(str(whole.parents[2]))  # the data's, as the user gave it


def test_a_run_without_any_logged_line(tmp_path: Path) -> None:
    page = report(write_run(tmp_path / "run"))
    assert [one.text for one in page.all("p", class_="status")] == ["started, nothing logged yet"]
    for name in ("evaluation", "losses", "speed"):
        assert "Nothing logged yet." in page.section(name)
    assert "No sample grid yet." in page.section("samples")
    assert "None yet: they are measured at the end of the run." in page.section("results")


def test_a_folder_with_only_a_recipe(tmp_path: Path) -> None:
    (tmp_path / "resolved.yaml").write_text(seal_text("method: {method: cyclegan}\n"))
    assert "cyclegan" in report(tmp_path).section("recipe")


def test_a_log_with_an_incomplete_line(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", logged(3, {"g/a": lambda done: done}))
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"step": 40, "losses": {"g/a": 0.')
    page = report(folder)
    assert [one.text for one in page.all("p", class_="status")] == [
        "in progress, or cut short: step 30 was logged last"
    ]
    assert [step for step, _ in curves_of(page)["a"]] == [10, 20, 30]


def test_values_that_are_not_finite(tmp_path: Path) -> None:
    values = [1.0, math.nan, math.inf, 0.5]
    evaluated = [{"step": i, "split": "validation", "values": {"kid": value}} for i, value in enumerate(values)]
    logs = [*evaluated, *logged(30, {"g/a": lambda done: math.nan if done > 0.5 else 1.0})]
    results = [{"step": 4, "checkpoint": "last", "values": {"kid": math.nan}}]
    page = report(write_run(tmp_path / "run", logs, results=results))
    assert curves_of(page)["kid"] == [[0, 1], [1, None], [2, None], [3, 0.5]]
    assert "not a number" in page.section("results")
    assert "NaN" not in page.source and "nan" not in re.sub(r"[A-Za-z0-9+/]{200,}", "", page.source)


def test_no_text_of_a_file_becomes_markup(tmp_path: Path) -> None:
    name = EVIL.replace("/", "∕").replace("\x00", "")
    recipe = {**RECIPE, "losses": {EVIL: {"loss": EVIL}}, "maskers": {EVIL: {"masker": EVIL}}}
    recipe |= {"train": {"steps": EVIL, "batch": EVIL}, "evaluate": {"best": f"min {name}"}, "method": {"method": EVIL}}
    term: dict[str, Any] = {f"{EVIL}/{EVIL}_A": lambda done: done, f"{EVIL}/{EVIL}_B": lambda done: done}
    evaluated = [{"step": step, "split": EVIL, "images": {EVIL: 1}, "values": {name: 1.0}} for step in (0, 20)]
    record = {"step": EVIL, "checkpoint": EVIL, "trained": EVIL, "split": EVIL, "images": {EVIL: EVIL}, EVIL: [EVIL]}
    folder = write_run(
        tmp_path / name[:80],
        [*logged(20, term), *evaluated],
        events=[{"event": EVIL, "step": 1, EVIL: EVIL}, {"event": "not-finite", "step": 2, "term": EVIL}],
        results=[{**record, "values": {EVIL: EVIL, name: 1.0}, "about": {EVIL: {EVIL: EVIL}}}],
        recipe=recipe,
        best={"step": 20, "best": 1.0, "best_of": f"min {name}"},
    )  # fmt: skip
    (folder / "recipe.yaml").write_text(f"# {EVIL}[2J\r\n")
    (folder / "env.json").write_text(seal_object({EVIL: {EVIL: EVIL}, "device": EVIL, "images": {EVIL: EVIL}}))
    places = {"columns": {EVIL: [0, 4, 4], f"{EVIL}_mask_{EVIL}": [4, 4, 4]}, "tops": [0]}
    write_image(np.zeros((4, 8, 3), np.uint8), folder / "samples/step-0000001.png", {"places": json.dumps(places)})
    page = report(folder)
    assert [len(page.all(tag)) for tag in ("img", "script", "style")] == [1, 1, 1]
    assert all("alert" not in one.attributes for one in page.elements)
    for section in SECTIONS:
        assert "<script>alert(1)</script>" in page.section(section) or section == "speed", section
    assert "{{7*7}}��[2J\n" in page.section("recipe")


def test_halves_of_surrogate_pairs_are_replaced(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "events.jsonl").write_text(f'{{"event": "a\\ud800b", "time": "{TIME}"}}\n')
    assert "a�b" in report(folder).section("events")


def test_a_resumed_run_shows_where_it_resumed_and_the_results_of_each_length(tmp_path: Path) -> None:
    names = ["started", "finished", "resumed", "started", "finished"]
    events = [{"event": name, "step": step} for name, step in zip(names, (0, 40, 40, 40, 60), strict=True)]
    results = [{"step": step, "checkpoint": "last", "trained": step, "values": {"kid": step / 7}} for step in (40, 60)]
    page = report(write_run(tmp_path / "run", logged(6, {"g/a": lambda done: done}), events=events, results=results))
    marks = page.all("line", class_="resumed")
    assert len(marks) == 1 + len(PROGRESS_FIELDS)
    assert "When the run was 40 steps long" in page.section("results")
    assert f"{40 / 7:.4g}" in page.section("results") and f"{60 / 7:.4g}" in page.section("results")
    assert page.section("results").index(f"{60 / 7:.4g}") < page.section("results").index(f"{40 / 7:.4g}")


def test_of_many_events_some_are_left_out_and_the_page_says_so(tmp_path: Path) -> None:
    events = [{"event": "odd", "step": 1000 + i} for i in range(1000)]
    text = report(write_run(tmp_path / "run", events=events)).section("events")
    assert "800 events in between are left out" in text
    assert [f"{step}" in text for step in (1000, 1049, 1050, 1849, 1850, 1999)] == [
        True,
        True,
        False,
        False,
        True,
        True,
    ]


def test_hints_are_at_the_top_only_when_there_are_any(tmp_path: Path) -> None:
    (hint,) = report(write_run(tmp_path / "slow", logged(9, wait=0.6))).all("ul", id="hints")
    assert "60% of the time was spent waiting for images" in hint.text
    assert report(write_run(tmp_path / "fast", logged(9, wait=0.1))).all("ul", id="hints") == []


def test_a_long_log_makes_a_small_page(tmp_path: Path) -> None:
    terms = {f"generator/term{i}_{domain}": lambda done: done for i in range(15) for domain in "AB"}
    folder = write_run(tmp_path / "run", logged(3000, terms))
    page = report(folder)
    assert len(page.source) < 2.5e6
    assert "Of 3000 points, the smallest and the largest of each interval are drawn." in page.section("losses")


def test_the_page_is_replaced_as_a_whole(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "report.html").write_text("old")
    report(folder)
    write_lines(folder / "metrics.jsonl", [{"step": 3, "losses": {"g/a": 1.0}}])
    report(folder)
    assert {one.name for one in folder.iterdir() if "report" in one.name} == {"report.html"}


@pytest.mark.parametrize("field", ["losses", "values", "lr"])
def test_unexpected_fields_of_the_log_are_left_out(tmp_path: Path, field: str) -> None:
    for value in ("x", [1], {"a": "b"}, {"a": [1]}, None, True):
        folder = write_run(tmp_path / str(abs(hash(str(value)))), [{"step": 1, field: value}])
        assert curves_of(report(folder)) == {}


def test_a_resumed_event_without_a_number_is_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run", logged(3))
    write_lines(folder / "events.jsonl", [{"event": "resumed", "step": "x"}])
    assert curves_of(report(folder))


def test_unknown_memory_is_not_drawn(tmp_path: Path) -> None:
    known, unknown = logged(3), [{**one, "memory": 0} for one in logged(3)]
    page = report(write_run(tmp_path / "known", known))
    assert curves_of(page)["memory"][0] == [10, 5.36871e9]
    assert "5.369G" in page.section("speed")
    assert "memory" not in curves_of(report(write_run(tmp_path / "unknown", unknown)))
