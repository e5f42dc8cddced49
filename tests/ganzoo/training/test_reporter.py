"""The report of a run that trains: kept up to date, at a bounded cost, and never a reason to stop."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import ganzoo as package
from ganzoo.errors import GanzooError
from ganzoo.report import write_report
from ganzoo.training import reporter as keeping
from ganzoo.training.loop import train
from ganzoo.training.reporter import SHARE, Reporter
from ganzoo.training.run import Run
from ganzoo.utils.jsonl import JsonLines
from tests.support.run_logs import Page
from tests.support.tiny_run import lines

SHORT = ("train.steps=4", "evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null")


def status(folder: Path) -> str:
    (found,) = Page((folder / "report.html").read_text()).all("p", class_="status")
    return found.text


def test_a_run_leaves_its_report_and_says_where(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package.run(home / "tiny.yaml", *SHORT, root=tmp_path)
    file = tmp_path / "tiny/default/report.html"
    assert f"report       {file}\n" in capsys.readouterr().out
    assert status(file.parent) == "finished at step 4"
    assert not [one for one in lines(file.parent / "events.jsonl") if one["event"] == "report-failed"]


def test_it_is_written_with_checkpoints_and_at_the_end(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []

    def spy(folder: Path) -> Path:
        written = write_report(folder)
        steps = [one["step"] for one in lines(folder / "metrics.jsonl")]
        seen.append((max(steps, default=0), status(folder)))
        return written

    monkeypatch.setattr(keeping, "write_report", spy)
    monkeypatch.setattr(keeping, "SHARE", 1e9)
    package.run(home / "tiny.yaml", *SHORT, "train.log=1", "train.save=2", root=tmp_path)
    going = "in progress, or cut short: step {} was logged last"
    assert seen == [(2, going.format(2)), (4, going.format(4)), (4, "finished at step 4")]


def test_a_report_that_fails_is_told_and_the_run_goes_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(folder: Path) -> Path:
        raise RuntimeError("no ink")

    monkeypatch.setattr(keeping, "write_report", failing)
    package.run(home / "tiny.yaml", *SHORT, root=tmp_path)
    said = capsys.readouterr().out
    assert "warning: report.html is not written: RuntimeError: no ink" in said and "\nreport  " not in said
    events = lines(tmp_path / "tiny/default/events.jsonl", "time")
    assert {"event": "report-failed", "error": "RuntimeError: no ink"} in events
    assert events[-2]["event"] == "finished"


def test_a_disk_without_room_for_the_event_does_not_stop_it_either(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path) -> Path:
        raise GanzooError(f"{folder}/report.html: cannot be written: No space left on device")

    append = JsonLines.append

    def refusing(self: JsonLines, **fields: Any) -> None:
        if fields.get("event") == "report-failed":
            raise GanzooError("full")
        append(self, **fields)

    monkeypatch.setattr(keeping, "write_report", full)
    monkeypatch.setattr(JsonLines, "append", refusing)
    package.run(home / "tiny.yaml", *SHORT, root=tmp_path)
    assert lines(tmp_path / "tiny/default/events.jsonl")[-1]["event"] == "finished"


def test_a_run_that_was_stopped_has_a_report_that_says_so(home: Path, tmp_path: Path) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.engine.step

    def interrupted(micros: Any) -> Any:
        if micros[0].index == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return inner(micros)

    run.engine.step = interrupted  # type: ignore[method-assign]
    with pytest.raises(GanzooError, match="stopped at step 3"):
        train(run)
    assert status(run.folder) == "stopped at step 3 by SIGTERM"


def test_a_run_that_died_has_a_report_on_demand_and_one_that_went_on_shows_where(home: Path, tmp_path: Path) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.engine.step

    def dying(micros: Any) -> Any:
        if micros[0].index == 7:
            raise SystemExit
        return inner(micros)

    run.engine.step = dying  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        train(run)
    write_report(run.folder)
    assert status(run.folder) == "in progress, or cut short: step 6 was logged last"
    package.run(home / "tiny.yaml", root=tmp_path)
    page = Page((run.folder / "report.html").read_text())
    assert status(run.folder) == "finished at step 8"
    assert {one.text for one in page.all("line", class_="resumed")} == {"resumed: step 6"}


class Clock:
    """A time that goes by as told."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_reports_take_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = Clock(), []

    def slow(folder: Path) -> None:
        clock.now += 2.0
        written.append(clock.now)

    monkeypatch.setattr(keeping, "time", clock)
    monkeypatch.setattr(keeping, "write_report", slow)
    run: Any = SimpleNamespace(folder=tmp_path, accelerator=SimpleNamespace(is_main_process=True))
    reporter = Reporter(run)
    for _ in range(1000):
        reporter.write_if_due()
        clock.now += 1.0
    assert 1000 * SHARE / 2 - 1 <= len(written) <= 1000 * SHARE / 2 + 1
    reporter.write()
    reporter.write()
    assert written[-1] - written[-2] == 2.0  # asked outright, it is written


def test_only_one_process_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "write_report", lambda folder: pytest.fail("another process wrote"))
    run: Any = SimpleNamespace(folder=tmp_path, accelerator=SimpleNamespace(is_main_process=False))
    Reporter(run).write_if_due()
    Reporter(run).write()
