"""Signals sent to real processes: SIGTERM saves the run, SIGKILL does not change its result."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from ganzoo.engine.checkpoint_files import read_progress
from tests.support.killed_runs import assert_kills_change_nothing, start, wait_for
from tests.support.tiny_run import lines, write_recipe


def test_sigterm_saves_the_run_and_reports_the_step(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 100000, "save": 100000, "log": 1, "sample": 0})
    folder = tmp_path / "runs/tiny/default"
    process = start(recipe, tmp_path / "runs")
    wait_for(folder / "metrics.jsonl", '"step": 2,', process)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    step = read_progress(folder / "checkpoints/last")["step"]
    assert errors.strip() == f"ganzoo: {folder}: stopped at step {step} and saved; the same command resumes it"
    stopped = [one for one in lines(folder / "events.jsonl") if one["event"] == "stopped"]
    assert [(one["step"], one["signal"]) for one in stopped] == [(step, "SIGTERM")]


@pytest.mark.slow
def test_kills_at_random_moments_do_not_change_the_result(tmp_path: Path) -> None:
    """Kill a real process several times; run the same command again each time until it finishes."""
    changes: Any = {"train": {"steps": 90, "save": 3, "log": 2, "sample": 18}, "evaluate": {"every": 24}}
    changes["train"] = {"batch": 2, "lr": 1e-3, "ema": 0.5, **changes["train"]}
    recipe = write_recipe(tmp_path, **changes)
    assert_kills_change_nothing(recipe, tmp_path, after=(10, 30, 60), end=90)
