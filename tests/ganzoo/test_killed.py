"""Real signals to real processes: SIGTERM saves, kill −9 changes nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tinyrun import assert_same, ganzoo, lines, write_recipe

from ganzoo import state


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


def test_sigterm_saves_and_says_so(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 100000, "save": 100000, "log": 1, "sample": 0})
    folder = tmp_path / "runs/tiny/default"
    process = start(recipe, tmp_path / "runs")
    wait_for(folder / "metrics.jsonl", '"step": 2,', process)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    step = state.read_progress(folder / "checkpoints/last")["step"]
    assert said.strip() == f"ganzoo: {folder}: stopped at step {step} and saved; the same command goes on from here"
    stopped = [one for one in lines(folder / "events.jsonl") if one["event"] == "stopped"]
    assert [(one["step"], one["signal"]) for one in stopped] == [(step, "SIGTERM")]


def test_kill_9_at_random_moments_changes_nothing(tmp_path: Path) -> None:
    """Real kills of a real process, the same command again each time, until it is through."""
    changes: Any = {"train": {"steps": 150, "save": 3, "log": 2, "sample": 30}, "evaluate": {"every": 40}}
    changes["train"] = {"batch": 2, "lr": 1e-3, "ema": 0.5, **changes["train"]}
    recipe = write_recipe(tmp_path, **changes)
    folder = tmp_path / "killed/tiny/default"
    moments = random.Random(0)
    for kill in range(3):
        process = start(recipe, tmp_path / "killed")
        wait_for(folder / "metrics.jsonl", f'"step": {20 + 40 * kill},', process)
        time.sleep(moments.uniform(0, 0.4))
        process.kill()
        process.communicate(timeout=60)
    assert state.read_progress(folder / "checkpoints/last")["step"] < 150
    finished = ganzoo("run", recipe, "--root", tmp_path / "killed")
    assert finished.returncode == 0, finished.stderr
    assert len([one for one in lines(folder / "events.jsonl") if one["event"] == "resumed"]) == 3
    assert ganzoo("run", recipe, "--root", tmp_path / "whole").returncode == 0
    assert_same(tmp_path / "whole/tiny/default", folder)
