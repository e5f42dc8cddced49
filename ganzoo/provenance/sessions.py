"""What a checkpoint was trained with: noted when training begins, as all of it may have changed when it is measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganzoo.data.sampler import image_counts
from ganzoo.interfaces import Dataset, Split
from ganzoo.plugins import installed_version
from ganzoo.provenance.fingerprint import core_key, data_key, plugins_of, portable
from ganzoo.provenance.record import Code, Session
from ganzoo.recipe.schema import Recipe

TRAINED_ON: tuple[Split, ...] = ("train", "validation")


def make_session(recipe: Recipe, dataset: Dataset, sources: Mapping[str, str], step: int) -> Session:
    """Return what training goes on with from a step.

    Args:
        recipe: the run's.
        dataset: whose images it is trained on, and its best checkpoint chosen by.
        sources: what its parts read besides (banks, frozen weights): their checksums.
        step: at which it begins.
    """
    there = [split for split in TRAINED_ON if any(image_counts(dataset, split).values())]
    return Session(
        step=step,
        epochs=recipe.train.epochs,
        steps=recipe.train.steps,
        plugins=training_plugins(recipe),
        core=core_version(),
        images={split: data_key(dataset, split) for split in there},
        sources=dict(sources),
        chosen_by=selection_settings(recipe),
    )


def training_plugins(recipe: Recipe) -> dict[str, Code]:
    """Return the plugins whose code counts for checkpoints; that of metrics does where they choose the best one."""
    found = plugins_of(recipe if recipe.evaluate.best else replace(recipe, metrics=[]))
    return {name: Code(**code) for name, code in found.items()}


def selection_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what chooses the best checkpoint, and when to end for want of a better one; nothing without ``best``."""
    settings = recipe.resolved()["evaluate"]
    names = ("best", "every", "limit", "patience", "metrics") if recipe.evaluate.best else ()
    chosen: dict[str, Any] = portable({name: settings[name] for name in names})
    return chosen


def core_version() -> str:
    """Return ganzoo's version, and the checksum of its code."""
    return f"{installed_version()} {core_key()}"


def append_session(before: list[dict[str, Any]], now: Session) -> list[dict[str, Any]]:
    """Return the sessions of a run that goes on: one that is as the last but for its step is no new one."""
    latest = now.model_dump()
    same = before and {**before[-1], "step": latest["step"]} == latest
    return before if same else [*before, latest]
