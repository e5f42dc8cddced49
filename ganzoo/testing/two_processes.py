"""Train a recipe in float64, with one process or two, so that a difference between them is no rounding error.

In float32 the L1 terms and norms of tiny untrained networks enlarge rounding errors within a few steps.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any
from unittest.mock import patch

import ganzoo.data.loader
import ganzoo.evaluation.evaluator
from ganzoo.data.loader import make_step
from ganzoo.errors import GanzooError
from ganzoo.step import Step
from ganzoo.training.loop import train
from ganzoo.training.run import Run

LIMIT = 300
"""Seconds after which the processes are ended."""


def train_in_float64(recipe: Path, root: Path, *overrides: str) -> Path:
    """Train a recipe with images, networks and averages in float64 on the CPU; return the run's folder."""
    run = Run.prepare(recipe, overrides, root=root, device="cpu")
    averages = run.engine.average.networks if run.engine.average else {}
    for network in [*run.engine.networks.values(), *averages.values(), *run.engine.method.masks.maskers.values()]:
        network.double()
    with _double_steps():
        train(run)
    return run.folder


def train_with_two_processes(recipe: Path, root: Path, *overrides: str) -> Path:
    """Do the same with two processes on this machine. Raises GanzooError, with the end of their output, if they fail.

    They import what this process can import.
    """
    for done in run_two_processes("-c", f"from {__name__} import main; main()", recipe, root, *overrides):
        if done.returncode:
            raise GanzooError(f"training with two processes failed:\n{(done.stdout + done.stderr)[-3000:]}")
    (log,) = root.glob("*/*/metrics.jsonl")
    return log.parent


def run_two_processes(*words: object) -> list[CompletedProcess[str]]:
    """Start Python with these words twice, connected on the CPU as by a launcher, which itself would take seconds."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"PYTHONPATH": os.pathsep.join(one for one in sys.path if one), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *map(str, words)]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, **shared, "RANK": str(rank), "LOCAL_RANK": str(rank), "ACCELERATE_USE_CPU": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    try:
        outputs = [process.communicate(timeout=LIMIT) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [CompletedProcess(command, one.returncode, *texts) for one, texts in zip(processes, outputs, strict=True)]


def logged_losses(folder: Path) -> list[dict[str, float]]:
    """Return the losses of each logged step of a run, ``phase/term`` → value."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["losses"] for line in lines if "losses" in line]


@contextmanager
def _double_steps() -> Iterator[None]:
    """Convert the tensors of all steps to float64 in a ``with`` block."""

    def make_double_step(*args: Any, **fields: Any) -> Step:
        step = make_step(*args, **fields)
        step.update({name: tensor.double() for name, tensor in step.items() if tensor.is_floating_point()})
        return step

    with (
        patch.object(ganzoo.data.loader, "make_step", make_double_step),
        patch.object(ganzoo.evaluation.evaluator, "make_step", make_double_step),
    ):
        yield


def main() -> None:
    """Train in one of several processes; the arguments are those of ``train_in_float64``."""
    recipe, root, *overrides = sys.argv[1:]
    train_in_float64(Path(recipe), Path(root), *overrides)
