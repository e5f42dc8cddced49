"""What a recipe says of a slot: its default, its groups' and its own mapping, laid over one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.interfaces import Slot
from ganzoo.recipe.yaml_document import NAME, KeyPath, names_another_component


def normalize_component(value: Any, kind: str) -> Any:
    """Write a component that is named by a bare text as the mapping that it stands for."""
    if isinstance(value, str):
        return {kind: value}
    if isinstance(value, dict) and NAME in value:
        return {kind if key == NAME else key: one for key, one in value.items()}
    return value


def slot_groups(slot: str) -> list[str]:
    """Return the keys that speak for a slot and others, the widest first: D and D_masked for D_masked_A."""
    parts = slot.split("_")
    return ["_".join(parts[:count]) for count in range(1, len(parts))]


def slot_value(section: dict[str, Any], name: str, slot: Slot) -> tuple[Any, Mapping[KeyPath, KeyPath]]:
    """Lay the slot's default, its group's and its own mapping over one another; say where each key came from."""
    value: Any = dict(slot.default)
    origin: dict[KeyPath, KeyPath] = {}
    for key in (*slot_groups(name), name):
        given = section.get(key)
        if given is None:
            continue
        given = normalize_component(given, slot.kind)
        if not isinstance(given, dict):
            return given, {(): ("networks", key)}
        value = given if names_another_component(value, given) else {**value, **given}
        origin.update({(one,): ("networks", key) for one in given})
        origin[()] = ("networks", key)
    return value, origin
