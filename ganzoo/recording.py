"""Make the record of an evaluated checkpoint of a run."""

from __future__ import annotations

import statistics
from pathlib import Path

from accelerate import Accelerator

from ganzoo.data.order import picture_counts
from ganzoo.environment import environment
from ganzoo.evaluate import Measured
from ganzoo.fingerprint import core_key, data_key, plugins_of, portable, recipe_key, weights_key
from ganzoo.interfaces import Dataset, Split
from ganzoo.plugins import installed_version
from ganzoo.recipe import Recipe
from ganzoo.records import JsonLines
from ganzoo.result import Code, Cost, Data, Record


def make_record(
    recipe: Recipe,
    dataset: Dataset,
    accelerator: Accelerator,
    found: Measured,
    *,
    folder: Path,
    checkpoint: str,
    step: int,
    trained: int,
    split: Split,
) -> Record:
    """Return the record of what was found; nothing in it tells where one machine has its files.

    Args:
        recipe: the run's.
        dataset: whose pictures were measured.
        accelerator: on which.
        found: the evaluation.
        folder: the run's.
        checkpoint: ``last``, ``best`` or ``step-N``.
        step: that the run had reached.
        trained: the checkpoint's own step.
        split: on which it was evaluated.
    """
    splits: list[Split] = ["train", *([split] if split != "train" else [])]
    return Record(
        status="failed" if found.failed else "ok",
        why="; ".join(f"{name}: {why}" for name, why in found.failed.items()),
        recipe=recipe.name,
        name=folder.name,
        method=recipe.method.component.name,
        recipe_key=recipe_key(recipe),
        plugins={name: Code(**code) for name, code in plugins_of(recipe).items()},
        core=f"{installed_version()} {core_key()}",
        data=Data(
            dataset=recipe.data.component.name,
            keys={one: data_key(dataset, one) for one in splits},
            pictures={one: picture_counts(dataset, one) for one in splits},
        ),
        seed=recipe.train.seed,
        step=step,
        trained=trained,
        checkpoint=checkpoint,
        rule=(recipe.evaluate.best or "") if checkpoint == "best" else checkpoint,
        weights=weights_key(folder / "checkpoints" / checkpoint),
        split=split,
        pictures=found.pictures,
        metrics=portable(recipe.resolved()["evaluate"]["metrics"]),
        figures=found.figures,
        about=found.about,
        failed=found.failed,
        cost=cost_of(folder),
        environment=environment(accelerator),
    )


def cost_of(folder: Path) -> Cost:
    """Return what the training of a run took, by its log."""
    lines = [one for one in JsonLines(folder / "metrics.jsonl") if "images_per_s" in one]
    if not lines:
        return Cost()
    return Cost(
        seconds=round(sum(one["seconds"] for one in lines), 1),
        images_per_s=round(statistics.median(one["images_per_s"] for one in lines), 2),
        peak_memory=max(one["memory"] for one in lines) or None,
    )
