"""Train a tiny recipe in this process, for the tests of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Method
from ganzoo.plugins import plugins
from ganzoo.recipe.networks import slot_groups
from ganzoo.recipe.options import build
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
        recipe: what to change, as a recipe file would write it; it is merged over the tiny recipe. Another method gets
            those of the tiny recipe's narrow networks that its slots have by default.
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
        tiny.data["networks"] = _fitting_networks(tiny.data["networks"], changes)
    file = folder / TINY.name
    folder.mkdir(parents=True, exist_ok=True)
    write_text(file, dump_yaml(merge(tiny, Document(changes, {(): str(file)})).data))
    return file


def _method(recipe: Mapping[str, Any]) -> str:
    """Return the name of a recipe's method; empty if it names none."""
    section = recipe.get("method", "")
    return section if isinstance(section, str) else str(section.get("method", ""))


def method_of(recipe: Mapping[str, Any]) -> Method | None:
    """Return the method that a recipe names, without networks; None if it names none. Raises as ``build`` does."""
    if not (name := _method(recipe)):
        return None
    section = recipe["method"]
    options = {} if isinstance(section, str) else {key: value for key, value in section.items() if key != "method"}
    method: Method = build(plugins().registry.get("method", name), **options)
    return method


def _fitting_networks(networks: Mapping[str, Any], recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the networks whose slots a recipe's method has, with the same component or none by default.

    Args:
        networks: group of slots, such as ``G`` → component with options.
        recipe: a recipe that names a method.
    """
    fitting = {}
    with suppress(GanzooError):  # a wrong option is reported when the recipe is read
        method = method_of(recipe)
        slots = method.slots if method else {}
        for group, entry in networks.items():
            own = [slot for name, slot in slots.items() if group in (name, *slot_groups(name))]
            if own and all(
                slot.kind in entry and slot.default.get(slot.kind, entry[slot.kind]) == entry[slot.kind] for slot in own
            ):
                fitting[group] = entry
    return fitting
