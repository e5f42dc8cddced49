"""Runs that die halfway: in this process, or in processes of their own that get SIGKILL."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import ganzoo as package
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from tests.support.tiny_run import assert_same, lines


def train_until(run: Run, step: int) -> None:
    """Train until the process "dies" in the step of index ``step``, before that step is logged, sampled or saved."""
    inner = run.engine.step

    def dying(micros: Any) -> Any:
        if micros[0].index == step:
            raise SystemExit
        return inner(micros)

    run.engine.step = dying  # type: ignore[method-assign]
    with pytest.raises(SystemExit):
        train(run)


def start(recipe: Path, root: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ganzoo", "run", str(recipe), "--root", str(root)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(file: Path, text: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not (file.is_file() and text in file.read_text()):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def assert_kills_change_nothing(recipe: Path, root: Path, after: Sequence[int], end: int) -> None:
    """Kill a run at random moments, let it finish, and compare it with a run that was not killed.

    Args:
        recipe: of a run of ``end`` steps that logs each of the steps in ``after``.
        root: folder of both runs.
        after: steps, ascending; each kill comes a random time after one of them was logged.
        end: the last step.
    """
    folder, moments = root / "killed/tiny/default", random.Random(0)
    for step in after:
        process = start(recipe, root / "killed")
        wait_for(folder / "metrics.jsonl", f'"step": {step},', process)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.communicate(timeout=60)
    assert read_progress(folder / "checkpoints/last")["step"] < end
    package.run(recipe, root=root / "killed")
    assert len([one for one in lines(folder / "events.jsonl") if one["event"] == "resumed"]) == len(after)
    package.run(recipe, root=root / "whole")
    assert_same(root / "whole/tiny/default", folder)
