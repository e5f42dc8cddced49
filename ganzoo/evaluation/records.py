"""Create the record of an evaluated checkpoint; used at the end of training and by ``ganzoo evaluate``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.engine.checkpoint import find_checkpoint, read_progress
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.interfaces import Split
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.provenance.record import Cost, Record
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.jsonl import JsonLines

MAX_ATTEMPTS = 5
"""Attempts to read a checkpoint that its run may replace at the same time."""


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint to evaluate.

    Args:
        name: ``last``, ``best`` or ``step-N``.
        place: its folder.
        progress: the fields of its progress.json.
        weights: the checksum of its networks.
    """

    name: str
    place: Path
    progress: Mapping[str, Any]
    weights: str


def read_checkpoint_info(folder: Path, name: str) -> CheckpointInfo:
    """Return the description of a run's checkpoint. Raises GanzooError when it does not exist."""
    place = find_checkpoint(folder / "checkpoints" / name)
    if place is None:
        raise GanzooError(f"{folder}: the run has no checkpoint {name!r}")
    return CheckpointInfo(name, place, read_progress(place), weights_key(place))


def load_for_evaluation(folder: Path, name: str, evaluator: Evaluator) -> CheckpointInfo:
    """Load a checkpoint's weights for an evaluation; return its description.

    A run in progress may replace the checkpoint while it is read. It is then read again, so that all files are of the
    same step. Raises GanzooError when the checkpoint does not exist, or is replaced at each attempt.
    """
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            before = read_checkpoint_info(folder, name)
            evaluator.load(before.place)
            if read_checkpoint_info(folder, name) == before:
                return before
        except (GanzooError, OSError):
            if attempt == MAX_ATTEMPTS:
                raise
    raise GanzooError(f"{folder}: the run replaces checkpoint {name!r} faster than it can be read: wait for the run")


def make_record(
    evaluator: Evaluator,
    recipe: Recipe,
    run: Path,
    checkpoint: CheckpointInfo,
    step: int,
    split: Split,
    result: Evaluation,
) -> Record:
    """Return the record of an evaluated checkpoint; it contains no paths of this machine.

    Args:
        evaluator: measured the checkpoint.
        recipe: the run's recipe.
        run: the run's folder.
        checkpoint: the evaluated checkpoint.
        step: step that the run has reached.
        split: split that was measured.
        result: result of the evaluation.
    """
    record = Record.of_checkpoint(recipe, run.absolute().name, evaluator.reader.dataset, split, checkpoint.progress)
    details = {
        "step": step,
        "checkpoint": checkpoint.name,
        "rule": checkpoint.progress["best_of"] if checkpoint.name == "best" else checkpoint.name,
        "weights": checkpoint.weights,
        "cost": training_cost(run),
        "environment": environment(evaluator.engine.accelerator),
    }
    return record.model_copy(update=details).measured(result)


def training_cost(folder: Path) -> Cost:
    """Return the time, speed and memory of a run's training, from its metrics.jsonl."""
    lines = [one for one in JsonLines(folder / "metrics.jsonl") if "images_per_s" in one]
    if not lines:
        return Cost()
    return Cost(
        seconds=round(sum(one["seconds"] for one in lines), 1),
        images_per_s=round(statistics.median(one["images_per_s"] for one in lines), 2),
        peak_memory=max(one["memory"] for one in lines) or None,
    )
