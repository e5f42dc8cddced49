"""Ctrl-C: the first saves and stops after the step and says so, the second stops at once and says so."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import RunInterruptedError
from ganzoo.training.loop import train
from ganzoo.training.run import Run

ANNOUNCED = "ganzoo: stopping after this step; a second Ctrl-C stops at once, without saving"


def interrupt(run: Run, at: int, times: int) -> None:
    """Make the step of index ``at`` receive SIGINT."""
    inner: Callable[[Any], Any] = run.engine.step

    def step(micros: Any) -> Any:
        if micros[0].index == at:
            for _ in range(times):
                os.kill(os.getpid(), signal.SIGINT)
        return inner(micros)

    run.engine.step = step  # type: ignore[method-assign]


def test_the_first_ctrl_c_is_announced_and_saves(home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    interrupt(run, 4, times=1)
    with pytest.raises(RunInterruptedError) as caught:
        train(run)
    assert caught.value.exit_code == 130
    assert str(caught.value) == f"{run.folder}: stopped at step 5 and saved; the same command resumes it"
    assert capfd.readouterr().err.strip() == ANNOUNCED
    assert read_progress(run.folder / "checkpoints/last")["step"] == 5


def test_the_second_ctrl_c_says_from_which_step_the_run_resumes(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    interrupt(run, 5, times=2)
    with pytest.raises(RunInterruptedError) as caught:
        train(run)
    assert caught.value.exit_code == 130
    text = f"{run.folder}: stopped at once, without saving; the same command resumes it from step 4"
    assert str(caught.value) == text
    assert capfd.readouterr().err.strip() == ANNOUNCED
    assert read_progress(run.folder / "checkpoints/last")["step"] == 4
