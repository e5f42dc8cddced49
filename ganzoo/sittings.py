"""What a checkpoint was trained with: noted when training begins, as all of it may have changed when it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganzoo.data.order import picture_counts
from ganzoo.fingerprint import core_key, data_key, plugins_of
from ganzoo.interfaces import Dataset, Split
from ganzoo.plugins import installed_version
from ganzoo.recipe import Recipe
from ganzoo.result import Code, Sitting

TRAINED_ON: tuple[Split, ...] = ("train", "validation")


def sitting(recipe: Recipe, dataset: Dataset, sources: Mapping[str, str], step: int) -> Sitting:
    """Return what training goes on with from a step.

    Args:
        recipe: the run's.
        dataset: whose pictures it is trained on, and its best checkpoint chosen by.
        sources: what its parts read besides (banks, frozen weights): their checksums.
        step: at which it begins.
    """
    there = [split for split in TRAINED_ON if any(picture_counts(dataset, split).values())]
    return Sitting(
        step=step,
        epochs=recipe.train.epochs,
        steps=recipe.train.steps,
        plugins=trainers(recipe),
        core=core(),
        pictures={split: data_key(dataset, split) for split in there},
        sources=dict(sources),
    )


def trainers(recipe: Recipe) -> dict[str, Code]:
    """Return the plugins that count for a checkpoint; metrics do where they choose it, or end the training."""
    chosen = recipe.evaluate.best or recipe.evaluate.patience
    return {name: Code(**code) for name, code in plugins_of(recipe if chosen else replace(recipe, metrics=[])).items()}


def core() -> str:
    """Return ganzoo's version, and the checksum of its code."""
    return f"{installed_version()} {core_key()}"


def joined(before: list[dict[str, Any]], now: Sitting) -> list[dict[str, Any]]:
    """Return the sittings of a run that goes on: one that is as the last but for its step is no new one."""
    latest = now.model_dump()
    same = before and {**before[-1], "step": latest["step"]} == latest
    return before if same else [*before, latest]
