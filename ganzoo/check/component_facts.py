"""What a component reads, makes and accepts, besides its options, for ``ganzoo show``."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import Parameter
from typing import Any, ClassVar, get_origin, get_type_hints

import torch

from ganzoo.check.plugin_check import CHANNELS, construct
from ganzoo.contracts.declaration import INTERFACES, PROVIDED, declaration_errors
from ganzoo.data.types import OTHER
from ganzoo.errors import ComponentError, GanzooError
from ganzoo.interfaces import Method
from ganzoo.interfaces.loss import inputs_of
from ganzoo.masks.roles import ROLES, Roles
from ganzoo.recipe.reader import RecipeReader
from ganzoo.recipe.yaml_document import Document
from ganzoo.registry import Component
from ganzoo.weights.download import without_downloads

ATTRIBUTES = {
    "method": ("directions", "accepts", "requires", "reads", "paired"),
    "masker": ("needs", "planes", "classes", "trains"),
    "metric": ("directions", "reference"),
    "dataset": ("channels", "classes", "paired"),
}
"""Kind → the attributes of its components that are shown."""


def component_facts(component: Component) -> dict[str, Any]:
    """Return what ``ganzoo show`` prints about a component besides its options, as plain data by name.

    Attributes are those of a component that is constructed by its defaults. If it cannot be, ``not_constructed`` is the
    reason, and only what the class itself says is there.

    Raises GanzooError if the component cannot be imported, or has mistakes in its declaration, one line each.
    """
    target: Any = component.load()
    if errors := declaration_errors(component.origin):
        raise ComponentError("\n".join(map(str, errors)))
    if component.kind == "loss":
        return {"inputs": {name: _needed(one) for name, one in inputs_of(target).items()}}
    if component.kind not in ATTRIBUTES:
        return {}
    facts: dict[str, Any] = {}
    made: Any = None
    try:
        with without_downloads():
            made, facts["not_constructed"] = construct(component)
    except GanzooError as error:
        facts["not_constructed"] = str(error)
    for name in ATTRIBUTES[component.kind]:
        if made is not None or _belongs_to_class(component, name):
            value = getattr(target if made is None else made, name)
            facts[name] = dict(value) if isinstance(value, Mapping) else value
    if isinstance(made, Method):
        facts["networks"] = {name: _slot_facts(slot) for name, slot in made.slots.items()}
        facts["tensors"] = {
            name: {"source": output.source, "shows": output.shows} for name, output in made.tensors.items()
        }
        facts["styles"] = style_sizes(component, made)
    return facts


def _belongs_to_class(component: Component, name: str) -> bool:
    """Return whether an attribute has its value without an instance, which could have another one."""
    base = INTERFACES[component.kind]
    own = [one for one in component.load().__mro__ if one not in base.__mro__]
    return get_origin(get_type_hints(base)[name]) is ClassVar or any(name in vars(one) for one in own)


def _needed(parameter: Parameter) -> str:
    return "required" if parameter.default is Parameter.empty else "optional"


def _slot_facts(slot: Any) -> dict[str, Any]:
    return {
        "kind": slot.kind,
        "reads": list(slot.reads),
        "writes": slot.writes,
        "default": dict(slot.default),
        "built_by_the_method": slot.own or not slot.kind,
    }


def style_sizes(component: Component, method: Method) -> dict[str, int]:
    """Return domain → length of its style vectors, if the method has the default networks; empty if it has no styles.

    The networks are constructed without memory for their weights. A method that cannot say its styles without more, as
    one that computes them from data, counts as one without.
    """
    reader = RecipeReader(Document({"method": component.name}, {}), ROLES)
    try:
        with torch.device("meta"), without_downloads():
            networks = {
                slot: part.make(*(CHANNELS for _ in PROVIDED.get(part.component.kind, ())))
                for slot, part in reader.read_networks(method).items()
            }
        method.bind(networks, Roles())
        sizes = {domain: method.style_size(domain) for domain in OTHER}
    except (GanzooError, LookupError, AttributeError, RuntimeError):
        return {}
    return {domain: size for domain, size in sizes.items() if size}
