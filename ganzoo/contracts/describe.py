"""Describe what a component returned or declares, in a few words, for errors about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError

LONGEST = 40
"""Number of characters of a text that are shown."""


def describe(value: Any) -> str:
    """Return what a value is, in words: its type, and the shape and type of numbers of a tensor or array.

    >>> describe(None), describe([1, 2]), describe("many"), describe(-1), describe({"a": 1})
    ('None', 'a list of 2 values', "the text 'many'", 'the int -1', "a dict with 'a'")
    >>> import numpy
    >>> describe(numpy.zeros((2, 3)))
    'an array of shape (2, 3), float64'
    """
    kind = type(value).__name__
    if value is None:
        return "None"
    if isinstance(value, str):
        return f"the text {value if len(value) <= LONGEST else value[:LONGEST] + '…'!r}"
    if isinstance(value, bool | int | float):
        return f"the {kind} {value!r}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        dtype = str(value.dtype).removeprefix("torch.")
        name = "tensor" if str(value.dtype) != dtype else "array"
        return f"{_article(name)} {name} of shape {tuple(value.shape)}, {dtype}"
    if isinstance(value, Mapping):
        return f"{_article(kind)} {kind} with {', '.join(map(repr, value)) or 'nothing'}"[:120]
    if isinstance(value, Sequence):
        return f"{_article(kind)} {kind} of {len(value)} values"
    return f"{_article(kind)} {kind}"


def plain(value: Any) -> str:
    """Return a value as Python writes it, in one line, at most 120 characters.

    >>> from types import MappingProxyType
    >>> plain(MappingProxyType({"A": 3}))
    "{'A': 3}"
    """
    return " ".join(repr(dict(value) if isinstance(value, Mapping) else value).split())[:120]


def wrong_attribute(origin: Origin, name: str, value: Any, expected: str) -> ComponentError:
    """Return the error for an attribute of a component that is wrong.

    >>> str(wrong_attribute(Origin(dict, "metric", "tint", "mine"), "cache_key", 3, "a text"))
    "metric 'tint' of plugin 'mine': cache_key is 3; expected a text (builtins)"
    """
    return ComponentError(f"{origin}: {name} is {plain(value)}; expected {expected} ({origin.line()})")


def _article(word: str) -> str:
    return "an" if word[:1].lower() in "aeiou" and not word.startswith("uint") else "a"
