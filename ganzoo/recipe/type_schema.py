"""Describe the type hints of options as a JSON schema (draft 7), as far as such a schema can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from ganzoo.interfaces.inner import InnerKind

Schema = dict[str, Any]

INSIDE = "inner"
"""Begins the names of the definitions of the components that may be in an option of another: ``inner.masker``."""

SIMPLE: Mapping[Any, Schema] = {
    bool: {"type": ["boolean", "string"], "pattern": "^(yes|no|on|off)$"},  # text in YAML 1.2; options take it
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": "string"},
    Path: {"type": "string"},
    type(None): {"type": "null"},
}
BOUNDS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "multiple_of": "multipleOf",
    "pattern": "pattern",
}
LENGTHS: Mapping[str, Mapping[str, str]] = {
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
    "string": {"min_length": "minLength", "max_length": "maxLength"},
}


def type_schema(hint: Any) -> Schema:
    """Return the schema of the values that an option of a type takes; it allows anything for a type it cannot describe.

    >>> type_schema(tuple[int, int] | None)
    {'anyOf': [{'type': 'array', 'items': {'type': 'integer'}, 'minItems': 2, 'maxItems': 2}, {'type': 'null'}]}
    """
    if hint in SIMPLE:
        return dict(SIMPLE[hint])
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if isinstance(hint.__metadata__[0], InnerKind):
            return {"$ref": f"#/definitions/{INSIDE}.{hint.__metadata__[0].kind}"}
        return _bounded(type_schema(inner[0]), hint.__metadata__)
    if origin is Literal:
        return {"enum": list(inner)}
    if origin in (Union, UnionType):
        return any_of([type_schema(one) for one in inner])
    if is_typeddict(hint):
        return _typed_dict(hint)
    if isinstance(origin, type):
        return _container(origin, inner)
    return {}


def any_of(schemas: Sequence[Schema]) -> Schema:
    """Return a schema for what one of several schemas allows; plain types are joined into one."""
    plain = [one["type"] for one in schemas if set(one) == {"type"} and isinstance(one["type"], str)]
    joined = list(dict.fromkeys(plain))
    rest: list[Schema] = []
    for one in schemas:
        if one not in rest and one.get("type") not in joined:
            rest.append(one)
    if joined:
        rest.append({"type": joined[0] if len(joined) == 1 else joined})
    return rest[0] if len(rest) == 1 else {"anyOf": rest}


def _container(origin: type, inner: tuple[Any, ...]) -> Schema:
    if issubclass(origin, tuple):
        if inner[-1] is Ellipsis:
            return {"type": "array", "items": type_schema(inner[0])}
        items = [type_schema(one) for one in inner]
        same = all(one == items[0] for one in items)
        return {"type": "array", "items": items[0] if same else items, "minItems": len(items), "maxItems": len(items)}
    if issubclass(origin, Mapping):
        key, value = inner[0], type_schema(inner[1])
        if get_origin(key) is Literal:
            return closed_object(dict.fromkeys(get_args(key), value))
        return {"type": "object", "additionalProperties": value}
    if issubclass(origin, Sequence):
        return {"type": "array", "items": type_schema(inner[0])}
    return {}


def closed_object(properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    """Return the schema of a mapping that has no other keys than these."""
    schema: Schema = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema


def _typed_dict(hint: Any) -> Schema:
    properties, required = {}, []
    for key, value in get_type_hints(hint, include_extras=True).items():
        wrapper = get_origin(value)
        if wrapper is Required or (wrapper is not NotRequired and key in hint.__required_keys__):
            required.append(key)
        properties[key] = type_schema(get_args(value)[0] if wrapper in (Required, NotRequired) else value)
    return closed_object(properties, required)


def _bounded(schema: Schema, metadata: Sequence[Any]) -> Schema:
    """Return a schema with the bounds in a hint's metadata: pydantic's ``Field`` or annotated-types' classes."""
    keywords = {**BOUNDS, **LENGTHS.get(str(schema.get("type")), {})}
    bounds = {
        keyword: value
        for item in metadata
        for constraint in getattr(item, "metadata", [item])
        for attribute, keyword in keywords.items()
        if (value := getattr(constraint, attribute, None)) is not None
    }
    return {**schema, **bounds}
