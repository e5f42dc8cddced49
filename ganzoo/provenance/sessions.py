"""Describe the code, data and settings of each training session; the records of a run's checkpoints contain them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ganzoo.data.sampler import image_counts
from ganzoo.interfaces import Dataset, Split
from ganzoo.provenance.fingerprint import core_version, plugins_of, portable
from ganzoo.provenance.images import Images, key_of_split
from ganzoo.provenance.record import Code, Session
from ganzoo.recipe.schema import Recipe

TRAINED_ON: tuple[Split, ...] = ("train", "validation")


def make_session(recipe: Recipe, dataset: Dataset, images: Images, sources: Mapping[str, str], step: int) -> Session:
    """Return the description of a training session, with the checksums of training and validation images.

    Args:
        recipe: the run's recipe.
        dataset: the data set; splits without images are left out.
        images: the images of the data set, as the run has read them.
        sources: place in the recipe → checksum of another file that a part reads, such as a bank or frozen weights.
        step: the training step at which the session starts.
    """
    splits = [split for split in TRAINED_ON if any(image_counts(dataset, split).values())]
    return Session(
        step=step,
        epochs=recipe.train.epochs,
        steps=recipe.train.steps,
        plugins=training_plugins(recipe),
        core=core_version(),
        images={split: key_of_split(dataset, split, images) for split in splits},
        sources=dict(sources),
        chosen_by=selection_settings(recipe),
        evaluations=evaluation_settings(recipe),
    )


def training_plugins(recipe: Recipe) -> dict[str, Code]:
    """Return name → plugin whose code affects checkpoints; plugins of metrics only if ``evaluate.best`` is set."""
    plugins = plugins_of(recipe if recipe.evaluate.best else replace(recipe, metrics=[]))
    return {name: Code(**code) for name, code in plugins.items()}


def selection_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the settings that choose the best checkpoint and stop early; empty if ``evaluate.best`` is not set."""
    settings = recipe.resolved()["evaluate"]
    names = ("best", "every", "limit", "patience", "metrics") if recipe.evaluate.best else ()
    chosen: dict[str, Any] = portable({name: settings[name] for name in names})
    return chosen


def evaluation_settings(recipe: Recipe) -> dict[str, Any]:
    """Return what the values that a run logs during training depend on: settings, metrics, and the plugins' code."""
    settings = recipe.resolved()["evaluate"]
    found: dict[str, Any] = portable({name: settings[name] for name in ("every", "limit", "metrics")})
    return found | {"plugins": {name: one["code"] for name, one in plugins_of(recipe).items()}}


def append_session(before: list[dict[str, Any]], now: Session) -> list[dict[str, Any]]:
    """Return ``before`` with ``now`` appended; ``before`` itself if its last session differs in the step only."""
    fields = now.model_dump()
    same = before and {**before[-1], "step": fields["step"]} == fields
    return before if same else [*before, fields]
