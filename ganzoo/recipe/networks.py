"""Merge the settings of one network: the slot's default, those of the slot's groups, and those of the slot itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ganzoo.recipe.yaml_document import NAME, KeyPath, names_another_component

if TYPE_CHECKING:
    from ganzoo.interfaces import Slot


def normalize_component(value: Any, kind: str) -> Any:
    """Return a component in its full form, a mapping from its kind to its name: ``unet`` → ``{generator: unet}``.

    In a mapping, the key ``NAME`` is replaced by the kind. Any other value is returned unchanged.

    Args:
        value: the component as a recipe writes it, or after merging.
        kind: the component's kind, such as ``generator``.
    """
    if isinstance(value, str):
        return {kind: value}
    if isinstance(value, dict) and NAME in value:
        return {kind if key == NAME else key: option for key, option in value.items()}
    return value


def slot_groups(slot: str) -> list[str]:
    """Return the names of a slot's groups, the widest group first.

    A group is a key of ``networks`` that applies to all slots whose names start with it and ``_``.

    >>> slot_groups("D_masked_A")
    ['D', 'D_masked']
    """
    words = slot.split("_")
    return ["_".join(words[:count]) for count in range(1, len(words))]


def slot_value(section: dict[str, Any], name: str, slot: Slot) -> tuple[Any, Mapping[KeyPath, KeyPath]]:
    """Merge a slot's default with the settings of its groups, such as ``G`` for ``G_AB``, and of the slot itself.

    Later settings replace earlier ones; a setting that names another component replaces all of them. If a setting is
    neither a name nor a mapping, it is returned as it is, so that the caller can report it.

    Args:
        section: the recipe's ``networks``: slot or group → component with options.
        name: the slot's name.
        slot: the slot.

    Returns:
        The merged value; and a mapping from ``(option,)`` to the entry that set it, such as ``("networks", "G")``. Its
        key ``()`` has the last entry that was used. An option that only the slot's default sets is not in this mapping.
    """
    merged: Any = normalize_component(slot.default, slot.kind)
    if not isinstance(merged, Mapping):
        return merged, {}
    merged = dict(merged)
    origin: dict[KeyPath, KeyPath] = {}
    for key in (*slot_groups(name), name):
        value = section.get(key)
        if value is None:
            continue
        value = normalize_component(value, slot.kind)
        if not isinstance(value, dict):
            return value, {(): ("networks", key), (slot.kind,): ("networks", key)}
        if names_another_component(merged, value, [slot.kind]):
            merged, origin = {}, {}
        merged |= value
        origin.update({(option,): ("networks", key) for option in value})
        origin[()] = ("networks", key)
    return merged, origin
