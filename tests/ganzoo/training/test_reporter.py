"""The report during training: up to date, in a small share of the time; its failures do not stop training."""

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
from ganzoo.report.metrics_log import MetricsLog
from ganzoo.training import reporter as reporter_module
from ganzoo.training.loop import train
from ganzoo.training.reporter import SHARE, Reporter
from ganzoo.training.run import Run
from ganzoo.utils.jsonl import JsonLines
from tests.support.killed_runs import train_until
from tests.support.run_logs import Page
from tests.support.tiny_run import lines

SHORT = ("train.steps=4", "evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null")


def status(folder: Path) -> str:
    (paragraph,) = Page((folder / "report.html").read_text()).all("p", class_="status")
    return paragraph.text


def test_a_run_writes_its_report_and_prints_the_path(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    package.run(home / "tiny.yaml", *SHORT, root=tmp_path)
    file = tmp_path / "tiny/default/report.html"
    assert f"report       {file}\n" in capsys.readouterr().out
    assert status(file.parent) == "finished at step 4"
    assert not [one for one in lines(file.parent / "events.jsonl") if one["event"] == "report-failed"]


def test_the_report_is_written_with_checkpoints_and_at_the_end(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[tuple[int, str]] = []

    def spy(folder: Path, metrics: MetricsLog) -> Path:
        written = write_report(folder, metrics=metrics)
        steps = [one["step"] for one in lines(folder / "metrics.jsonl")]
        reports.append((max(steps, default=0), status(folder)))
        return written

    monkeypatch.setattr(reporter_module, "write_report", spy)
    monkeypatch.setattr(reporter_module, "SHARE", 1e9)
    package.run(home / "tiny.yaml", *SHORT, "train.log=1", "train.save=2", root=tmp_path)
    in_progress = "in progress, or cut short: step {} was logged last"
    assert reports == [(2, in_progress.format(2)), (4, in_progress.format(4)), (4, "finished at step 4")]


def test_a_failed_report_is_announced_and_the_training_continues(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(folder: Path, metrics: MetricsLog) -> Path:
        raise RuntimeError("no ink")

    monkeypatch.setattr(reporter_module, "write_report", failing)
    package.run(home / "tiny.yaml", *SHORT, root=tmp_path)
    output = capsys.readouterr().out
    assert "warning: report.html is not written: RuntimeError: no ink" in output and "\nreport  " not in output
    events = lines(tmp_path / "tiny/default/events.jsonl", "time")
    assert {"event": "report-failed", "error": "RuntimeError: no ink"} in events
    assert events[-2]["event"] == "finished"


def test_a_failed_report_on_a_full_disk_does_not_stop_the_training(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, metrics: MetricsLog) -> Path:
        raise GanzooError(f"{folder}/report.html: cannot be written: No space left on device")

    append = JsonLines.append

    def refusing(self: JsonLines, **fields: Any) -> None:
        if fields.get("event") == "report-failed":
            raise GanzooError("full")
        append(self, **fields)

    monkeypatch.setattr(reporter_module, "write_report", full)
    monkeypatch.setattr(JsonLines, "append", refusing)
    package.run(home / "tiny.yaml", *SHORT, root=tmp_path)
    assert lines(tmp_path / "tiny/default/events.jsonl")[-1]["event"] == "finished"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_the_report_of_a_stopped_run_says_so(home: Path, tmp_path: Path, number: signal.Signals) -> None:
    ignored = signal.signal(number, signal.SIG_DFL)  # such as SIGHUP, if the tests run under nohup
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.engine.step

    def interrupted(micros: Any) -> Any:
        if micros[0].index == 2:
            os.kill(os.getpid(), number)
        return inner(micros)

    run.engine.step = interrupted  # type: ignore[method-assign]
    try:
        with pytest.raises(GanzooError, match="stopped at step 3"):
            train(run)
        assert signal.getsignal(number) == signal.SIG_DFL
    finally:
        signal.signal(number, ignored)
    assert status(run.folder) == f"stopped at step 3 by {number.name}"


def test_a_closed_terminal_does_not_stop_a_run_under_nohup(home: Path, tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    inner = run.engine.step

    def interrupted(micros: Any) -> Any:
        os.kill(os.getpid(), signal.SIGHUP)
        return inner(micros)

    run.engine.step = interrupted  # type: ignore[method-assign]
    try:
        train(run)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert status(run.folder) == "finished at step 8"


def test_the_report_of_a_run_that_died_says_so_and_shows_later_where_it_resumed(home: Path, tmp_path: Path) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    train_until(run, 7)
    write_report(run.folder)
    assert status(run.folder) == "in progress, or cut short: step 6 was logged last"
    package.run(home / "tiny.yaml", root=tmp_path)
    page = Page((run.folder / "report.html").read_text())
    assert status(run.folder) == "finished at step 8"
    assert {one.text for one in page.all("line", class_="resumed")} == {"resumed: step 6"}


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_reports_use_a_small_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = Clock(), []

    def slow(folder: Path, metrics: MetricsLog) -> None:
        clock.now += 2.0
        written.append(clock.now)

    monkeypatch.setattr(reporter_module, "time", clock)
    monkeypatch.setattr(reporter_module, "write_report", slow)
    run: Any = SimpleNamespace(folder=tmp_path, accelerator=SimpleNamespace(is_main_process=True))
    reporter = Reporter(run)
    for _ in range(1000):
        reporter.write_if_due()
        clock.now += 1.0
    assert 1000 * SHARE / 2 - 1 <= len(written) <= 1000 * SHARE / 2 + 1
    reporter.write()
    reporter.write()
    assert written[-1] - written[-2] == 2.0  # a direct call always writes


def test_only_the_main_process_writes_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporter_module, "write_report", lambda folder, metrics: pytest.fail("another process wrote"))
    run: Any = SimpleNamespace(folder=tmp_path, accelerator=SimpleNamespace(is_main_process=False))
    Reporter(run).write_if_due()
    Reporter(run).write()
