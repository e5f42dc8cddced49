"""Remove paths of the author's machine, and passwords, from recipes, records and messages before they are published."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from ganzoo.recipe.schema import Part, Recipe
from ganzoo.utils.formatting import without_secrets

PART = r"[^\s/\\'\",;:()]"
INSIDE = re.compile(rf"(?<![\w:/.~-])(?:/{PART}+/|~/|\.\.?/|[A-Za-z]:[/\\])(?:{PART}+[/\\])*({PART}*)")
"""A path within a text, if an absolute one of at least two parts; an address such as https://… is none."""
RELATIVE = ("../", "./", "~", "$")
"""Beginnings of texts that are paths from the author's folder."""
BESIDE = ("/", "..")
"""The first parts of a text that is appended to the path of a folder, such as ``/../masks``: no path of a machine."""


def scrub_text(text: str) -> str:
    """Return a text in which each path of the author's machine is only its last part, and without secrets in addresses.

    >>> scrub_text("/home/ann/horses"), scrub_text("cannot read /home/ann/horses/1.png: damaged")
    ('horses', 'cannot read 1.png: damaged')
    >>> scrub_text(r"C:\\Users\\ann\\horses"), scrub_text("https://arxiv.org/abs/1703.10593")
    ('horses', 'https://arxiv.org/abs/1703.10593')
    >>> scrub_text("/../masks")
    '/../masks'
    """
    text = without_secrets(text)
    if PurePosixPath(text).parts[:2] == BESIDE:
        return text
    first, colon, rest = text.partition(": ")  # a message begins with the path that it is about
    if not colon and (name := _name_of(text)) is not None:
        return name
    if colon and (name := _name_of(first)) is not None:
        text = f"{name}: {rest}"
    home = os.path.expanduser("~")
    if len(home) > 1:  # a name in it may have spaces, so that INSIDE finds a part of it only
        text = re.sub(rf"{re.escape(home)}/(?:[^\s/'\",;:()]+/)*([^\s/'\",;:()]*)", r"\1", text)
        text = re.sub(rf"{re.escape(home)}(?![\w.-])", "~", text)
    return INSIDE.sub(r"\1", text)


def _name_of(text: str) -> str | None:
    """Return the last part of a text that is a path of the author's machine; None for another text."""
    stripped = re.sub(r"^file:/*(?=/)", "", text)
    if Path(stripped).is_absolute() or stripped.startswith(RELATIVE):
        return Path(stripped).name.replace("$", "")
    if os.path.isdir(os.path.dirname(text)):  # a name such as torchvision/alexnet is no path
        return os.path.basename(text)
    return PureWindowsPath(text).name if PureWindowsPath(text).is_absolute() else None


def scrub(value: Any) -> Any:
    """Return plain data in which every text, keys included, went through ``scrub_text``; paths become their names."""
    if isinstance(value, Mapping):
        return {scrub(key): scrub(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [scrub(one) for one in value]
    if isinstance(value, Part):
        return _scrub_part(value)
    if isinstance(value, Path):
        return value.name or "data"
    return scrub_text(value) if isinstance(value, str) else value


def scrub_recipe(recipe: Recipe, parts: Mapping[str, str]) -> dict[str, Any]:
    """Return a recipe with every option as plain data, in which paths are names.

    Args:
        recipe: the recipe.
        parts: place of an option, such as ``maskers.input.weights`` → the path to write there.
    """
    clean = replace(
        recipe,
        method=_scrub_part(recipe.method),
        networks={name: _scrub_part(part) for name, part in recipe.networks.items()},
        maskers={name: _scrub_part(part) for name, part in recipe.maskers.items()},
        losses={name: _scrub_part(part) for name, part in recipe.losses.items()},
        data=_scrub_part(recipe.data),
        metrics=[_scrub_part(part) for part in recipe.metrics],
        train=replace(recipe.train, start=Path(recipe.train.start.name) if recipe.train.start else None),
    )
    resolved: dict[str, Any] = clean.resolved()
    for place, path in parts.items():
        section, name, option = place.split(".")
        resolved[section][name][option] = path
    return resolved


def _scrub_part(part: Part) -> Part:
    return replace(part, options=scrub(part.options))
