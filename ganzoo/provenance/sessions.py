"""Record the code, data and settings of each training session, for the records of the run's checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganzoo.data.sampler import image_counts
from ganzoo.interfaces import Dataset, Split
from ganzoo.provenance.fingerprint import core_version, plugins_of, portable
from ganzoo.provenance.images import data_key
from ganzoo.provenance.record import Code, Session
from ganzoo.recipe.schema import Recipe

TRAINED_ON: tuple[Split, ...] = ("train", "validation")


def make_session(recipe: Recipe, dataset: Dataset, sources: Mapping[str, str], step: int) -> Session:
    """Return the description of a training session.

    Args:
        recipe: the run's recipe.
        dataset: has the images for training, and those that choose the best checkpoint.
        sources: checksums of other files that parts read: banks, frozen weights.
        step: step at which the session starts.
    """
    splits = [split for split in TRAINED_ON if any(image_counts(dataset, split).values())]
    return Session(
        step=step,
        epochs=recipe.train.epochs,
        steps=recipe.train.steps,
        plugins=training_plugins(recipe),
        core=core_version(),
        images={split: data_key(dataset, split, recipe.data) for split in splits},
        sources=dict(sources),
        chosen_by=selection_settings(recipe),
    )


def training_plugins(recipe: Recipe) -> dict[str, Code]:
    """Return the plugins whose code affects checkpoints; with ``evaluate.best`` also those of the metrics."""
    plugins = plugins_of(recipe if recipe.evaluate.best else replace(recipe, metrics=[]))
    return {name: Code(**code) for name, code in plugins.items()}


def selection_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that choose the best checkpoint and stop early; empty without ``best``."""
    settings = recipe.resolved()["evaluate"]
    names = ("best", "every", "limit", "patience", "metrics") if recipe.evaluate.best else ()
    chosen: dict[str, Any] = portable({name: settings[name] for name in names})
    return chosen


def append_session(before: list[dict[str, Any]], now: Session) -> list[dict[str, Any]]:
    """Append a session unless it equals the previous one, apart from its step."""
    fields = now.model_dump()
    same = before and {**before[-1], "step": fields["step"]} == fields
    return before if same else [*before, fields]
