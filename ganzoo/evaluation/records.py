"""Make the record of an evaluated checkpoint of a run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ganzoo.data.sampler import image_counts
from ganzoo.engine.checkpoint import find_checkpoint, load_weights, read_progress
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluation
from ganzoo.interfaces import Dataset, Split
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import data_key, plugins_of, portable, recipe_key, weights_key
from ganzoo.provenance.record import Code, Cost, Data, Record, Session
from ganzoo.provenance.sessions import core_version
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
    recipe: Recipe,
    dataset: Dataset,
    accelerator: Accelerator,
    found: Evaluation,
    *,
    folder: Path,
    taken: CheckpointInfo,
    step: int,
    split: Split,
) -> Record:
    """Return the record of what was found; nothing in it tells where one machine has its files.

    Args:
        recipe: the run's.
        dataset: whose images were measured.
        accelerator: on which.
        found: the evaluation.
        folder: the run's.
        taken: the checkpoint.
        step: that the run had reached.
        split: on which it was evaluated.
    """
    return Record(
        status="failed" if found.failed else "ok",
        why="; ".join(f"{name}: {why}" for name, why in found.failed.items()),
        recipe=recipe.name,
        name=folder.name,
        method=recipe.method.component.name,
        recipe_key=recipe_key(recipe),
        plugins={name: Code(**code) for name, code in plugins_of(recipe).items()},
        core=core_version(),
        trained_by=[Session.model_validate(one) for one in taken.progress.get("sessions", [])],
        data=Data(
            dataset=recipe.data.component.name,
            keys={split: data_key(dataset, split)},
            images={one: image_counts(dataset, one) for one in dict.fromkeys(("train", split))},
        ),
        seed=recipe.train.seed,
        step=step,
        trained=int(taken.progress["step"]),
        checkpoint=taken.name,
        rule=taken.progress["best_of"] if taken.name == "best" else taken.name,
        weights=taken.weights,
        split=split,
        images=found.images,
        metrics=portable(recipe.resolved()["evaluate"]["metrics"]),
        values=found.values,
        about=found.about,
        failed=found.failed,
        cost=training_cost(folder),
        environment=environment(accelerator),
    )


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
