"""Reading the log of a run: incomplete lines, values that are not numbers, status and duration of the run."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from ganzoo.report.run_log import RunLog, component_name
from ganzoo.utils.sealed import seal_text
from tests.support.command_line import refusal
from tests.support.run_logs import TIME, write_lines, write_run

AT = "2026-01-02T03:{:02}:00+00:00"


def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    message = refusal(RunLog, tmp_path)
    assert message == f"{tmp_path}: not a run's folder, which holds resolved.yaml and metrics.jsonl"


def test_a_recipe_that_is_not_yaml_is_refused(tmp_path: Path) -> None:
    log = RunLog(write_run(tmp_path / "x"))
    (tmp_path / "x/resolved.yaml").write_text(seal_text("a: [\n"))
    assert "resolved.yaml: damaged: it does not hold a recipe" in refusal(lambda: RunLog(tmp_path / "x").recipe)
    assert log.recipe["method"]["method"] == "cyclegan"


def test_incomplete_and_unexpected_lines_are_left_out(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x", [{"step": 1, "losses": {"g/a": 1.0}}])
    for name, cut in (("metrics", '{"step": 2, "losses": {"g/'), ("events", '{"event": "begränzt'), ("results", "{")):
        with (folder / f"{name}.jsonl").open("ab") as file:
            file.write(b'12\n[1]\n{"no": "step"}\n' + cut.encode()[:-1])
    log = RunLog(folder)
    assert log.losses == {"g/a": [(1, 1.0)]}
    assert [one.get("event") for one in log.events] == ["started", None]
    assert log.results == [{"no": "step"}]


def test_a_line_may_hold_unicode_line_separators(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x", events=[{"event": "odd", "error": "a\u2028b\x85c"}])
    assert [one["error"] for one in RunLog(folder).events] == ["a\u2028b\x85c"]


def test_only_numbers_make_a_course(tmp_path: Path) -> None:
    lines = [
        {"step": 1, "losses": {"a": 1, "b": True, "c": "x", "d": None, "e": 10**400}},
        {"step": 2, "losses": {"a": math.nan}},
        {"step": 3, "losses": [1]},
        {"step": 4, "values": {"a": 9}},
    ]
    points = RunLog(write_run(tmp_path / "x", lines)).losses
    assert {name for name in points if points[name]} == {"a"}
    assert points["a"][0] == (1, 1) and math.isnan(points["a"][1][1])


def test_infinite_and_undefined_values_are_read(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x", [{"step": 1, "losses": {"g/a": math.inf, "g/b": math.nan}}])
    assert "Infinity" in (folder / "metrics.jsonl").read_text()
    assert RunLog(folder).losses["g/a"] == [(1, math.inf)]


@pytest.mark.parametrize(
    ("events", "status"),
    [
        (["started"], "in progress, or cut short: step 7 was logged last"),
        (["started", "finished"], "finished at step 7"),
        (["started", "ended-early", "finished"], "ended early at step 7"),
        (["started", "stopped"], "stopped at step 7 by SIGTERM"),
        (["started", "stopped", "resumed", "started"], "in progress, or cut short: step 7 was logged last"),
        (["started", "ended-early", "finished", "resumed", "started", "finished"], "finished at step 7"),
    ],
)
def test_status(tmp_path: Path, events: list[str], status: str) -> None:
    lines = [{"event": event, "step": 7, **({"signal": "SIGTERM"} if event == "stopped" else {})} for event in events]
    assert RunLog(write_run(tmp_path / "x", [{"step": 7}], events=lines)).status() == status


def test_a_run_without_any_logged_line(tmp_path: Path) -> None:
    log = RunLog(write_run(tmp_path / "x"))
    assert (log.status(), log.last_step, log.losses) == ("started, nothing logged yet", 0, {})


def test_the_time_of_all_sessions_without_the_time_between(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x")
    events = [("started", 0), ("resumed", 29), ("started", 30), ("finished", 33), ("measured", 50)]
    steps = [0, 2, 2, 4, 4]
    write_lines(
        folder / "events.jsonl",
        [{"event": name, "step": step, "time": AT.format(at)} for step, (name, at) in zip(steps, events, strict=True)],
    )
    write_lines(folder / "metrics.jsonl", [{"step": 2, "time": AT.format(4)}, {"step": 4, "time": AT.format(31)}])
    assert RunLog(folder).seconds() == (4 + 3) * 60


def test_the_time_of_sessions_between_which_the_clock_was_set_back(tmp_path: Path) -> None:
    """The first session took 10 minutes and was killed, the second 6, the third had nothing to do."""
    folder = write_run(tmp_path / "x")
    events = [("started", 0, 40), ("lr-reduced", 4, 45), ("resumed", 4, 20), ("started", 4, 20), ("finished", 8, 26)]
    events += [("resumed", 8, 10), ("started", 8, 10), ("finished", 8, 10)]
    lines = [{"event": name, "step": step, "time": AT.format(minute)} for name, step, minute in events]
    write_lines(folder / "events.jsonl", lines)
    logged = [(0, 41), (2, 45), (4, 50), (6, 22), (8, 25)]
    write_lines(folder / "metrics.jsonl", [{"step": step, "time": AT.format(minute)} for step, minute in logged])
    assert RunLog(folder).seconds() == (10 + 6) * 60


@pytest.mark.parametrize("events", [["started", "finished"], ["started"]])
def test_results_measured_later_do_not_count(tmp_path: Path, events: list[str]) -> None:
    folder = write_run(tmp_path / "x")
    write_lines(folder / "events.jsonl", [{"event": one, "time": AT.format(5 * i)} for i, one in enumerate(events)])
    write_lines(folder / "metrics.jsonl", [{"step": 2, "time": AT.format(4)}])
    write_lines(folder / "results.jsonl", [{"step": 2, "time": AT.format(minute)} for minute in (5, 59)])
    assert RunLog(folder).seconds() == (5 if "finished" in events else 4) * 60


def test_invalid_times_are_ignored(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x")
    write_lines(folder / "events.jsonl", [{"event": "started", "time": "noon"}, {"event": "started", "time": TIME}])
    assert RunLog(folder).seconds() == 0


def test_the_best_checkpoint_must_be_of_the_current_rule(tmp_path: Path) -> None:
    best = {"step": 20, "best": 0.1, "best_of": "min cycle_l1_AB"}
    assert RunLog(write_run(tmp_path / "x", best=best)).best["step"] == 20
    assert RunLog(write_run(tmp_path / "y", best={**best, "best_of": "max other"})).best == {}
    assert RunLog(write_run(tmp_path / "z")).best == {}


def test_sample_grids_are_in_the_order_of_steps(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "x")
    for name in ("step-0000020.png", "step-0000003.png", "step-12345678.png", "step-x.png", ".step-1.png.3.part"):
        (folder / "samples" / name).touch()
    assert [step for step, _ in RunLog(folder).samples] == [3, 20, 12345678]


def test_the_name_of_a_component() -> None:
    assert component_name({"width": 4, "masker": "learned"}, "masker") == "learned"
    assert component_name(None, "masker") == component_name({"loss": "l1"}, "masker") == ""
