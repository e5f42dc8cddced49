"""Train a tiny recipe in this process, for the tests of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.recipe.yaml_document import Document, merge, read_yaml
from ganzoo.testing.factories import write_images
from ganzoo.training.loop import train
from ganzoo.training.run import Run
from ganzoo.utils.core_yaml import dump_yaml
from ganzoo.utils.jsonl import to_plain, write_text

TINY = Path(__file__).with_name("tiny.yaml")


@dataclass(frozen=True)
class TinyRun:
    """A run that ``train_tiny`` trained.

    Args:
        recipe: the recipe's file.
        folder: the run's folder; ``ganzoo.load`` takes it.
        values: name → metric value of the final evaluation; empty if the recipe has no metrics.
    """

    recipe: Path
    folder: Path
    values: Mapping[str, float]


def train_tiny(folder: Path, recipe: Mapping[str, Any] | None = None, *, device: str = "cpu") -> TinyRun:
    """Train a tiny recipe; return the run. The same call again resumes the run.

    The tiny recipe trains two steps of batch 2 on images of 16 × 16 pixels, with narrow networks, on the images of
    ``write_images`` with masks and label maps.

    Args:
        folder: the folder to write the images, the recipe and the run into.
        recipe: what to change, as a recipe file would write it; it is merged over the tiny recipe. If it names another
            method, the tiny recipe's networks are left out.
        device: the torch device to train on.

    Raises GanzooError for mistakes in the recipe, and if training fails.
    """
    file = write_recipe(folder, recipe)
    run = Run.prepare(file, root=folder / "runs", device=device)
    return TinyRun(file, run.folder, train(run))


def write_recipe(folder: Path, recipe: Mapping[str, Any] | None = None) -> Path:
    """Write the tiny recipe, with another one merged over it, and its images; return the recipe's file."""
    images = folder / "images"
    if not images.exists():
        write_images(images, masks=True, labels=True)
    tiny = read_yaml(TINY)
    tiny.data["data"]["root"] = str(images)
    changes: dict[str, Any] = deepcopy(to_plain(dict(recipe or {})))
    if _method(changes) not in ("", _method(tiny.data)):
        del tiny.data["networks"]
    file = folder / TINY.name
    folder.mkdir(parents=True, exist_ok=True)
    write_text(file, dump_yaml(merge(tiny, Document(changes, {(): str(file)})).data))
    return file


def _method(recipe: Mapping[str, Any]) -> str:
    """Return the name of a recipe's method; empty if it names none."""
    section = recipe.get("method", "")
    return section if isinstance(section, str) else str(section.get("method", ""))
