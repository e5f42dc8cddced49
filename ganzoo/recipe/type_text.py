"""Describe the type hints of options in words for readers: in messages, in ``ganzoo show``, in the reference."""

from __future__ import annotations

from types import UnionType
from typing import Annotated, Any, Literal, NotRequired, Required, Union, get_args, get_origin, get_type_hints

from typing_extensions import is_typeddict

from ganzoo.interfaces.inner import InnerKind


def type_text(hint: Any) -> str:
    """Return a type as a text for readers; the kind stands for the components of it that an option may contain.

    >>> type_text(tuple[int, ...] | Literal["auto"])
    "tuple[int, ...] | 'auto'"
    """
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        if isinstance(hint.__metadata__[0], InnerKind):
            return hint.__metadata__[0].kind
        signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
        bounds = [
            f"{sign} {value}"
            for item in hint.__metadata__
            for constraint in getattr(item, "metadata", [item])
            for attribute, sign in signs.items()
            if (value := getattr(constraint, attribute, None)) is not None
        ]
        return f"{type_text(inner[0])} {', '.join(bounds)}".strip()
    if origin is Required:
        return type_text(inner[0])
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if origin is NotRequired:  # a key of a mapping
        return f"{type_text(inner[0])} (optional)"
    if origin in (Union, UnionType):
        return " | ".join(map(type_text, inner))
    if is_typeddict(hint):
        keys = get_type_hints(hint, include_extras=True)
        return "{" + ", ".join(f"{key}: {type_text(value)}" for key, value in keys.items()) + "}"
    if hint is type(None) or hint is Ellipsis:
        return "None" if hint is type(None) else "..."
    if inner and isinstance(origin, type):
        return f"{origin.__name__}[{', '.join(map(type_text, inner))}]"
    return str(getattr(hint, "__name__", hint))
