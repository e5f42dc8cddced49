"""Merge what a recipe says about one network: the slot's default, the settings of its groups, and its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.interfaces import Slot
from ganzoo.recipe.yaml_document import NAME, KeyPath, names_another_component


def normalize_component(value: Any, kind: str) -> Any:
    """Return a component that is written as a plain name in its full form: ``unet`` → ``{generator: unet}``."""
    if isinstance(value, str):
        return {kind: value}
    if isinstance(value, dict) and NAME in value:
        return {kind if key == NAME else key: option for key, option in value.items()}
    return value


def slot_groups(slot: str) -> list[str]:
    """Return the keys that apply to a slot and to others, the widest first.

    >>> slot_groups("D_masked_A")
    ['D', 'D_masked']
    """
    words = slot.split("_")
    return ["_".join(words[:count]) for count in range(1, len(words))]


def slot_value(section: dict[str, Any], name: str, slot: Slot) -> tuple[Any, Mapping[KeyPath, KeyPath]]:
    """Merge a slot's default with the settings of its groups and its own.

    Args:
        section: the recipe's ``networks``.
        name: the slot's name.
        slot: the slot.

    Returns:
        The merged value, and for each key (the empty path: for the whole) the path in the recipe that set it.
    """
    merged: Any = dict(slot.default)
    origin: dict[KeyPath, KeyPath] = {}
    for key in (*slot_groups(name), name):
        value = section.get(key)
        if value is None:
            continue
        value = normalize_component(value, slot.kind)
        if not isinstance(value, dict):
            return value, {(): ("networks", key)}
        merged = value if names_another_component(merged, value) else {**merged, **value}
        origin.update({(option,): ("networks", key) for option in value})
        origin[()] = ("networks", key)
    return merged, origin
