"""Decide whether a run may be resumed with the present settings, images and processes, and say what has changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ganzoo.build import METRICS
from ganzoo.errors import SettingsChangedError
from ganzoo.provenance.images import EARLIER, ImageList
from ganzoo.recipe.options import accepts_path, options_of
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.settings import RESUMABLE
from ganzoo.utils.jsonl import differences

TRAINING_KEYS = ("processes", "images", "weights", "sources")
"""Keys of env.json that affect training as the recipe does; weights and banks of frozen parts are checksums."""
PRECISION = "precision"
"""Key of env.json: the precision in which the run is trained."""
PARTITION = ("processes", "train.batch", "train.accumulate")
"""Their product is the number of images of each domain in a step."""
SHOWN = 3
"""Names of images in a line."""

Change = tuple[str, Any, Any]
"""A changed setting: its path, its value before, its value now."""


@dataclass(frozen=True)
class RunDescription:
    """What describes a run that trains.

    Args:
        settings: the resolved recipe.
        environment: content of env.json.
        images: content of images.json.
    """

    settings: Mapping[str, Any]
    environment: Mapping[str, Any]
    images: ImageList

    def training(self) -> dict[str, Any]:
        """Return the settings, with the precision that ``auto`` meant, and the environment's training keys.

        The section ``images`` has the settings and the numbers of training images, ``A`` and ``B``.
        """
        train = self.settings["train"]
        train = {**train, "precision": self.environment.get(PRECISION, train["precision"])}
        environment = {key: self.environment.get(key, {}) for key in TRAINING_KEYS}
        images = {**self.settings["images"], **environment["images"]}
        return {**self.settings, **environment, "train": train, "images": images}

    @property
    def images_per_step(self) -> int:
        """Number of images of each domain in a step, over all processes."""
        train = self.settings["train"]
        return int(self.environment["processes"] * train["batch"] * train["accumulate"])


def path_options(recipe: Recipe) -> set[str]:
    """Return the paths of a recipe's options that name files or folders, such as ``data.root``.

    Those of components inside others are among them, as ``maskers.composite.of.1.weights``.
    """
    parts = {"method": recipe.method, "data": recipe.data}
    for section in ("networks", "maskers", "losses"):
        parts |= {f"{section}.{name}": part for name, part in getattr(recipe, section).items()}
    return {path for place, part in parts.items() for path in _paths_in(place, part)}


def _paths_in(place: str, value: Any) -> Iterator[str]:
    """Yield the paths of options that name files or folders in a component, or in a list of components."""
    if isinstance(value, Part):
        for name, option in options_of(value.component.load()).items():
            if accepts_path(option.type):
                yield f"{place}.{name}"
            yield from _paths_in(f"{place}.{name}", value.options.get(name))
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _paths_in(f"{place}.{number}", one)


def accepted_changes(
    before: RunDescription, now: RunDescription, paths: set[str], folder: Path
) -> tuple[list[Change], list[str]]:
    """Return the changes of a resumed run, and remarks about its images and processes.

    Args:
        before: the run as its folder describes it.
        now: the run as it would be resumed.
        paths: paths of options that name files or folders.
        folder: the run's folder, for the error.

    Raises SettingsChangedError for changes that make it another run.
    """
    changes = differences(before.training(), now.training())
    resumable = {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys}
    allowed = {path for path, _, _ in changes if any(_is_below(path, one) for one in resumable)}
    allowed |= {"images.A", "images.B"}  # a run must be able to resume after a damaged image was removed
    if before.images_per_step == now.images_per_step:
        allowed |= set(PARTITION)
    moved = any(path in paths and path.startswith("data.") for path, _, _ in changes)
    others = _other_images(before.images, now.images) if before.images else []
    if moved and before.images and not any(one.is_another for one in others):
        allowed |= {path for path in paths if path.startswith("data.")}
    checked = {*now.environment["weights"], *now.environment["sources"]}  # their checksums are compared as well
    allowed |= {path for path in paths if any(_is_below(one, _owner(path)) for one in checked)}
    measured = f"sources.{METRICS}."  # metrics may be added or removed, but one of the same name must read the same
    refused = [
        change
        for change in changes
        if change[0] not in allowed and not (change[0].startswith(measured) and None in change)
    ]
    every, units = now.settings["train"].get("lr_every"), [_unit(one.settings) for one in (before, now)]
    if now.settings["train"].get("lr_policy") == "step" and units[0] != units[1]:
        refused.append(("train.lr_every", f"{every} {units[0]}", f"{every} {units[1]}"))
    if refused:
        texts = [f"{path}: {old} → {new}" for path, old, new in refused]
        if moved and any(path.startswith("data.") for path, _, _ in refused):
            known = ", ".join(one.text for one in others) or "images.json is missing"
            texts.append(f"the images there are not those of the run: {known}")
        raise SettingsChangedError(
            f"{folder}: this run was started with other settings, so it cannot be resumed with these: "
            f"{'; '.join(texts)} (--name starts another run, --fresh starts this one again)"
        )
    remarks = [one.text for one in others]
    if moved and not others:
        remarks.append("the images are the same")
    if any(path in PARTITION for path, _, _ in changes):
        remarks.append(
            f"the images of a step are divided otherwise; there are {now.images_per_step} of each domain, as before"
        )
    kept = [
        one
        for one in differences(before.environment, now.environment)
        if one[0].split(".")[0] not in (*TRAINING_KEYS, PRECISION)
    ]
    return [*changes, *kept], remarks


def _unit(settings: Mapping[str, Any]) -> str:
    return "epochs" if settings["train"].get("epochs") else "steps"


@dataclass(frozen=True)
class _Difference:
    """A difference between the images of a split and domain then and now.

    Args:
        text: the difference in words.
        is_another: whether images were added, replaced or reordered, not only removed.
    """

    text: str
    is_another: bool


def _other_images(before: ImageList, now: ImageList) -> list[_Difference]:
    places = [place for place in dict.fromkeys([*before, *now]) if not place.startswith(f"{EARLIER}/")]
    return [one for place in places for one in _differences_at(place, before, now)]


def _differences_at(place: str, before: ImageList, now: ImageList) -> Iterator[_Difference]:
    split, _, domain = place.partition("/")
    where, old, new = f"{split} images of {domain}:", before.get(place, {}), now.get(place, {})
    groups = {
        "removed": [name for name in old if name not in new],
        "added": [name for name in new if name not in old],
        "with other contents": [name for name in new if name in old and new[name] != old[name]],
    }
    for verb, names in groups.items():
        if names:
            yield _Difference(f"{where} {len(names)} {verb} ({_some(names)})", is_another=verb != "removed")
    if [name for name in old if name in new] != [name for name in new if name in old]:
        yield _Difference(f"{where} in another order", is_another=True)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")


def _owner(path: str) -> str:
    """Return the place of the component that has an option, or has the component with this option in it."""
    section, *names = path.split(".")
    return section if len(names) < 2 else f"{section}.{names[0]}"


def _is_below(path: str, owner: str) -> bool:
    return path == owner or path.startswith(f"{owner}.")
