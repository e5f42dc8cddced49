"""Build the JSON schema of recipes, with which editors complete and check them; ``ganzoo schema`` writes it.

It is of draft 7, which the YAML extension of VS Code supports best. It describes each part by itself; what parts demand
of one another, such as the tensors that a loss reads, only ``ganzoo check`` can tell.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ganzoo.masks.roles import ROLES
from ganzoo.recipe.component_schema import ComponentSchemas, Place, option_schemas, or_null, reference
from ganzoo.recipe.method_facts import MethodFacts, tensor_names
from ganzoo.recipe.needs import KEYS
from ganzoo.recipe.network_schema import NetworkSchemas
from ganzoo.recipe.quick_check import SETTINGS
from ganzoo.recipe.type_schema import Schema, closed_object
from ganzoo.registry import Component

DRAFT = "http://json-schema.org/draft-07/schema#"
ABOUT = {
    "base": "Another recipe, relative to this file, which gives all values that this one does not set.",
    "method": "The training scheme.",
    "networks": "Slot → network: `G_AB`, `D_A`, …; `G` and `D` set all slots whose names start so.",
    "maskers": "Role → masker.",
    "losses": "Name → auxiliary loss, with `of` (the tensors that it reads), `weight` and `phase`.",
    "data": "The data set.",
    "images": "Size, scaling, crop, flip, rotation, colour, cache.",
    "train": "Length, batch, learning rate, precision, seed, checkpoints, the networks to begin with.",
    "evaluate": "Metrics, when to evaluate, and which checkpoint is saved as `best`.",
    "needs": "What must be made before: folder → the recipe or the command that makes it.",
    "demo": "Changes that make a small version of the recipe, for `ganzoo run --demo`.",
}
ROLE_ABOUT = {
    "input": "The generator sees the mask.",
    "discriminator": "The discriminators see the image through the mask.",
    "composite": "The mask m selects what is translated: m·G(x) + (1 − m)·x.",
    "labels": "The mask gives the class of each pixel.",
}


def recipe_schema(parts: Sequence[Component], warn: Callable[[str], None]) -> Schema:
    """Return the JSON schema of recipes that combine some components.

    A recipe with a ``base``, and the section ``demo``, may leave out what they inherit; any other recipe must name each
    component and set what it requires.

    Args:
        parts: the components, sorted by kind and name.
        warn: called with the reason for each component that cannot be imported; its options are not described.
    """
    components = ComponentSchemas(parts, warn)
    methods = {name: MethodFacts(target) for name, target in components.load("method").items()}
    components.tensors = tensor_names(methods.values())
    components.phases = list(dict.fromkeys(name for method in methods.values() for name in method.phases))
    networks = NetworkSchemas(components, methods)
    for name in ("images", "train"):
        components.define(name, closed_object(option_schemas(SETTINGS[name][0])))
    components.define("evaluate", _evaluate(components))
    components.define("need", _need())
    definitions: dict[str, Schema] = {
        "recipe": _sections(components, networks, complete=True),
        "changes": _sections(components, networks, complete=False),
    }
    changes = definitions["changes"]["properties"]
    definitions["demo"] = {
        **definitions["changes"],
        "properties": {name: schema for name, schema in changes.items() if name not in ("base", "demo")},
    }
    return {
        "$schema": DRAFT,
        "title": "A recipe of ganzoo",
        "type": "object",
        "if": {"required": ["base"]},
        "then": reference("changes"),
        "else": reference("recipe"),
        "definitions": {**definitions, **networks.definitions, **components.definitions},
    }


def _sections(components: ComponentSchemas, networks: NetworkSchemas, *, complete: bool) -> Schema:
    """Return the schema of a whole recipe, or of changes of one."""

    def named(kind: str, keys: Iterable[str] = ()) -> Schema:
        one = or_null(components.use(Place(kind), complete=complete))
        if keys:
            return or_null(closed_object({key: {**one, "description": ROLE_ABOUT.get(key, "")} for key in keys}))
        return {"type": ["object", "null"], "additionalProperties": one}

    properties: dict[str, Schema] = {
        "base": {"type": "string"},
        "method": components.use(Place("method"), complete=complete),
        "networks": networks.of_any_method(),
        "maskers": named("masker", ROLES),
        "losses": named("loss"),
        "data": components.use(Place("dataset"), complete=complete),
        **{name: or_null(reference(name)) for name in SETTINGS},
        "needs": {"type": ["object", "null"], "additionalProperties": reference("need")},
        "demo": reference("demo"),
    }
    schema = closed_object(
        {name: {"description": ABOUT[name], **_wrapped(one)} for name, one in properties.items()},
        ("method", "data") if complete else (),
    )
    return {**schema, "allOf": networks.by_method()}


def _wrapped(schema: Schema) -> Schema:
    """Return a schema that may have a description beside it: draft 7 ignores what stands beside a reference."""
    return {"allOf": [schema]} if "$ref" in schema else schema


def _evaluate(components: ComponentSchemas) -> Schema:
    metrics = {
        "description": "The metrics, each a name or `{metric: NAME, …}`.",
        "type": ["array", "null"],
        "items": components.use(Place("metric"), complete=True),  # a list is never merged with an inherited one
    }
    return closed_object({"metrics": metrics, **option_schemas(SETTINGS["evaluate"][0])})


def _need() -> Schema:
    """Return the schema of an entry of ``needs``; it may be part of an inherited one."""
    properties: Mapping[str, Schema] = {
        "recipe": {"type": "string", "description": "The recipe whose run the folder is, relative to this file."},
        "set": {"type": "array", "items": {"type": "string"}, "description": "Changes of it, each `key.path=value`."},
        "demo": {"type": "boolean", "description": "Whether its section `demo` applies."},
        "command": {"type": "string", "description": "The command that makes the folder, without its `-o`."},
    }
    mapping: dict[str, Any] = closed_object({key: properties[key] for key in KEYS})
    others = [{"required": [key]} for key in KEYS if key != "command"]
    mapping["not"] = {"required": ["command"], "anyOf": others}
    return {"anyOf": [{"type": ["string", "null"]}, mapping]}
