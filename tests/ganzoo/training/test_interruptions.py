"""Ctrl-C: the first saves and stops after the step and says so, also after the last; the second stops at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import RunInterruptedError
from ganzoo.evaluation.evaluator import Evaluation
from ganzoo.testing.two_processes import run_two_processes
from ganzoo.training import loop
from ganzoo.training.evaluation import evaluate_now
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from tests.support.tiny_run import lines, write_recipe

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


@pytest.mark.parametrize("when", ["the last step", "its evaluation"])
def test_a_signal_at_the_end_of_the_training_stops_before_the_final_evaluation(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    run = Run.prepare(home / "tiny.yaml", root=tmp_path)
    if when == "the last step":
        interrupt(run, 7, times=1)
    else:
        interrupted_evaluation(monkeypatch, at=8)
    with pytest.raises(RunInterruptedError, match="stopped at step 8 and saved") as caught:
        train(run)
    assert caught.value.exit_code == 130
    assert read_progress(run.folder / "checkpoints/last")["step"] == 8
    results = run.folder / "results.jsonl"
    assert not results.exists() or not lines(results)
    package.run(home / "tiny.yaml", root=tmp_path)
    assert [one["checkpoint"] for one in lines(results)] == ["last", "best"]


def interrupted_evaluation(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Make the evaluation of a step receive SIGINT."""

    def evaluate(run: Run, step: int) -> Evaluation:
        if step == at:
            os.kill(os.getpid(), signal.SIGINT)
        return evaluate_now(run, step)

    monkeypatch.setattr(loop, "evaluate_now", evaluate)


DRIVER = """
import os, signal, sys
from ganzoo.data.loader import DamagedImage
from ganzoo.training.guards import StepGuard
from ganzoo.training.loop import train
from ganzoo.training.run import Run

second, check = os.environ["RANK"] == "1", StepGuard.check

def with_trouble(self, index, batches, losses, flags, stop):
    if second and index == 1:
        batches[0].damaged.append(DamagedImage("A", 0, "00.png: planted"))
    return check(self, index, batches, losses, flags, stop)

StepGuard.check = with_trouble
run = Run.prepare(sys.argv[1], root=sys.argv[2])
step = run.engine.step

def interrupted(micros):
    if second and micros[0].index == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return step(micros)

run.engine.step = interrupted
try:
    train(run)
except Exception as error:
    print(error, flush=True)
    os._exit(error.exit_code)
"""


def test_a_signal_to_one_of_two_processes_stops_both_and_a_damaged_image_of_one_stops_none(tmp_path: Path) -> None:
    driver, recipe = tmp_path / "driver.py", write_recipe(tmp_path, train={"sample": 0, "save": 8})
    driver.write_text(DRIVER)
    first, second = run_two_processes(driver, recipe, tmp_path / "runs")
    assert (first.returncode, second.returncode) == (0, 128 + signal.SIGTERM), first.stderr + second.stderr
    folder = tmp_path / "runs/tiny/default"
    text = f"{folder}: stopped at step 4 and saved; the same command resumes it"
    assert text in first.stdout and text in second.stdout
    assert read_progress(folder / "checkpoints/last")["step"] == 4
    events = {one["event"]: one for one in lines(folder / "events.jsonl")}
    assert (events["image-replaced"]["step"], events["image-replaced"]["why"]) == (2, "00.png: planted")
    assert events["stopped"]["step"] == 4
