"""Losses of the registry, bound to the tiny method of a recipe, for the tests of the package ganzoo_losses."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ganzoo.build import Experiment
from ganzoo.interfaces import Loss, Method
from ganzoo.recipe.reader import read_recipe
from ganzoo.testing.tiny_run import write_recipe


def bound_loss(folder: Path, entry: Mapping[str, Any], **sections: Mapping[str, Any]) -> tuple[Loss, Method]:
    """Return the loss of a recipe's entry, bound to the recipe's method, and the method.

    Args:
        folder: the folder of the recipe and its images.
        entry: the loss with its options, and ``of``.
        sections: what is merged over the tiny recipe of ``ganzoo.testing``.
    """
    recipe = {"losses": {"x": dict(entry)}, **sections}
    parts = Experiment(read_recipe(write_recipe(folder, recipe)), training=True)
    (attached,) = parts.losses
    return attached.loss, parts.method
