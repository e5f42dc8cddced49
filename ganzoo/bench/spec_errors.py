"""Describe what pydantic rejects in the spec of a table, in the words of the spec."""

from __future__ import annotations

from collections.abc import Mapping
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel

from ganzoo.errors import suggest
from ganzoo.recipe.yaml_document import KeyPath

WANTED = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "path_type": "a path",
}
"""Type of an error → what the value must be."""


def describe(error: Mapping[str, Any], model: type[BaseModel]) -> tuple[KeyPath, str]:
    """Return the place of one of pydantic's errors in a spec, and what is wrong there.

    Args:
        error: an item of ``ValidationError.errors()``.
        model: the model of the whole spec, for suggestions.
    """
    path: KeyPath = tuple(step for step in error["loc"] if step != "[key]")
    kind, value, limits = error["type"], error["input"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return path, f"unknown key {path[-1]!r}{suggest(path[-1], _keys_at(model, path[:-1]))}"
    if kind == "missing":
        return path[:-1], f"the key {path[-1]!r} is missing"
    if kind == "literal_error":
        choices = limits["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        return path, f"it is {value!r}{suggest(value, [one for one in choices if one])}"
    if kind == "too_short":
        return path, f"it needs at least {limits['min_length']} of them, and has {limits['actual_length']}"
    if kind == "string_pattern_mismatch":
        return path, f"the name {value!r} has characters that are not allowed in it"
    if kind == "value_error":
        return path, str(limits["error"])
    if kind in WANTED:
        return path, f"it is {value!r}; it must be {WANTED[kind]}"
    return path, f"it is {value!r}: {error['msg'][:1].lower()}{error['msg'][1:]}"


def _keys_at(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Return the keys that a spec knows at a path; empty if they are free there."""
    here: Any = model
    for step in path:
        here = _inside(here, step)
    here = _plain(here)
    return list(here.model_fields) if isinstance(here, type) and issubclass(here, BaseModel) else []


def _inside(hint: Any, step: str | int) -> Any:
    """Return the type of what is at a key or an index of a type."""
    hint = _plain(hint)
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return hint.model_fields[step].annotation if step in hint.model_fields else None
    return get_args(hint)[-1] if get_args(hint) else None


def _plain(hint: Any) -> Any:
    """Return a type without its limits, and without the None of an optional value."""
    while get_origin(hint) in (Annotated, Union, UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    return hint
