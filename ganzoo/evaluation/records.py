"""Make the record of an evaluated checkpoint of a run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.engine.checkpoint import find_checkpoint, load_weights, read_progress
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.interfaces import Split
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import weights_key
from ganzoo.provenance.record import Cost, Record
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.jsonl import JsonLines

TRIES = 5


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint that is measured.

    Args:
        name: ``last``, ``best`` or ``step-N``.
        place: where it lies.
        progress: what its progress.json says.
        weights: the checksum of its networks.
    """

    name: str
    place: Path
    progress: Mapping[str, Any]
    weights: str


def read_checkpoint_info(folder: Path, name: str) -> CheckpointInfo:
    """Return what a run's checkpoint says of itself. Raises GanzooError where there is none."""
    place = find_checkpoint(folder / "checkpoints" / name)
    if place is None:
        raise GanzooError(f"{folder}: there is no checkpoint {name!r} of it")
    return CheckpointInfo(name, place, read_progress(place), weights_key(place))


def load_for_evaluation(folder: Path, name: str, engine: Engine) -> CheckpointInfo:
    """Load a checkpoint's weights, and say which they are. Raises GanzooError where it is not there.

    A run that goes on may replace it meanwhile: then it is read again, so that it is of one step.
    """
    for attempt in range(1, TRIES + 1):
        try:
            before = read_checkpoint_info(folder, name)
            load_weights(before.place, engine)
            if read_checkpoint_info(folder, name) == before:
                return before
        except (GanzooError, OSError):
            if attempt == TRIES:
                raise
    raise GanzooError(f"{folder}: the checkpoint {name!r} is replaced faster than it can be read: wait for the run")


def make_record(
    evaluator: Evaluator,
    recipe: Recipe,
    run: Path,
    checkpoint: CheckpointInfo,
    step: int,
    split: Split,
    result: Evaluation,
) -> Record:
    """Return the record of an evaluated checkpoint; nothing in it tells where one machine has its files.

    Args:
        evaluator: the evaluator.
        recipe: the run's.
        run: the run's folder.
        checkpoint: the one that was measured.
        step: that the run had reached.
        split: on which it was evaluated.
        result: of the evaluation.
    """
    record = Record.of_checkpoint(recipe, run.name, evaluator.reader.dataset, split, checkpoint.progress)
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
    """Return what the training of a run took, by its log."""
    lines = [one for one in JsonLines(folder / "metrics.jsonl") if "images_per_s" in one]
    if not lines:
        return Cost()
    return Cost(
        seconds=round(sum(one["seconds"] for one in lines), 1),
        images_per_s=round(statistics.median(one["images_per_s"] for one in lines), 2),
        peak_memory=max(one["memory"] for one in lines) or None,
    )
