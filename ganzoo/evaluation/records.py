"""Create the record of an evaluated checkpoint, at the end of training and for ``ganzoo evaluate``."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.engine.checkpoint_files import find_checkpoint, read_progress, read_unchanged
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import CollectedRows, Evaluation, Evaluator
from ganzoo.interfaces import Split
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import recorded_weights_key
from ganzoo.provenance.record import Cost, Record
from ganzoo.recipe.published import run_names
from ganzoo.recipe.schema import Recipe
from ganzoo.utils.jsonl import JsonLines
from ganzoo.utils.reading import is_number


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint to evaluate.

    Args:
        name: the checkpoint's name: ``last``, ``best`` or ``step-N``.
        place: the checkpoint's folder.
        progress: the fields of the checkpoint's progress.json.
        weights: the checksum of the checkpoint's networks, of a published folder that of its run's.
    """

    name: str
    place: Path
    progress: Mapping[str, Any]
    weights: str


@dataclass(frozen=True)
class Measured:
    """What an evaluation measured.

    Args:
        target: the evaluated run or folder.
        record: the fields of its record.
        rows: the rows of the metrics.
        checkpoint: the checkpoint's name; empty for a folder of images.
        split: the split that was measured.
    """

    target: Path
    record: dict[str, Any]
    rows: CollectedRows
    checkpoint: str = ""
    split: Split = "test"


def read_checkpoint_info(folder: Path, name: str) -> CheckpointInfo:
    """Return the description of a run's checkpoint. Raises GanzooError if it does not exist or is damaged."""
    place = _find(folder, name)
    return CheckpointInfo(name, place, read_progress(place), recorded_weights_key(place))


def load_for_evaluation(folder: Path, name: str, evaluator: Evaluator) -> CheckpointInfo:
    """Load the weights of a run's checkpoint into the evaluator; return the checkpoint's description.

    A run in progress may replace the checkpoint while it is read. It is then read again, so that all files are of the
    same step. Raises GanzooError (or OSError) if the checkpoint does not exist, is damaged or has weights of another
    architecture, and if the run replaces it during every attempt.

    Args:
        folder: the run's folder.
        name: the checkpoint's name.
        evaluator: the evaluator, whose engine gets the weights.
    """

    def read(place: Path, progress: Mapping[str, Any]) -> CheckpointInfo:
        evaluator.load(place)
        return CheckpointInfo(name, place, progress, recorded_weights_key(place))

    return read_unchanged(lambda: _find(folder, name), read)


def _find(folder: Path, name: str) -> Path:
    place = find_checkpoint(folder / "checkpoints" / name)
    if place is None:
        raise GanzooError(f"{folder}: the run has no checkpoint {name!r}")
    return place


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
        evaluator: the evaluator that measured the checkpoint.
        recipe: the run's recipe.
        run: the run's folder.
        checkpoint: the evaluated checkpoint.
        step: the training step that the run has reached.
        split: the split that was measured.
        result: the result of the evaluation.
    """
    record = Record.of_checkpoint(recipe, run_names(run)[1], evaluator.reader.dataset, split, checkpoint.progress)
    details = {
        "step": step,
        "checkpoint": checkpoint.name,
        "rule": checkpoint.progress["best_of"] if checkpoint.name == "best" else checkpoint.name,
        "weights": checkpoint.weights,
        "cost": training_cost(run),
        "environment": environment(evaluator.engine.accelerator) | {"precision": evaluator.engine.precision},
    }
    return record.model_copy(update=details).measured(result)


def training_cost(folder: Path) -> Cost:
    """Return the time, speed and memory of a run's training, from its metrics.jsonl; None if that has no such lines."""
    fields = ("seconds", "images_per_s", "memory")
    lines = [one for one in JsonLines(folder / "metrics.jsonl") if all(is_number(one.get(name)) for name in fields)]
    if not lines:
        return Cost()
    return Cost(
        seconds=round(sum(one["seconds"] for one in lines), 1),
        images_per_s=round(statistics.median(one["images_per_s"] for one in lines), 2),
        peak_memory=max(one["memory"] for one in lines) or None,
    )
