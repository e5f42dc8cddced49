"""Read what a component's docstring says about itself and each option, for editors and reference pages."""

from __future__ import annotations

import inspect
import re
from typing import Any

_ENTRY = re.compile(r" {4}(\w+): (.*)")


def summary(target: type[Any]) -> str:
    """Return the first paragraph of a class's docstring as one line, in Markdown; empty without a docstring.

    >>> summary(dict).startswith("dict() -> new empty dictionary")
    True
    """
    paragraph = inspect.cleandoc(target.__doc__ or "").partition("\n\n")[0]
    return _markdown(paragraph)


def option_docs(target: type[Any]) -> dict[str, str]:
    """Return option → description, in Markdown, from the section ``Args`` of a class's docstring.

    What the docstring of a class lacks is taken from those of its base classes.
    """
    found: dict[str, str] = {}
    for one in reversed(target.__mro__):
        if one is not object:
            found |= _arguments(inspect.cleandoc(one.__doc__ or ""))
    return found


def _arguments(text: str) -> dict[str, str]:
    lines = text.splitlines()
    if "Args:" not in lines:
        return {}
    entries: dict[str, list[str]] = {}
    current: list[str] = []
    for line in lines[lines.index("Args:") + 1 :]:
        if line and not line.startswith(" "):
            break
        if entry := _ENTRY.fullmatch(line):
            current = entries.setdefault(entry[1], [])
            current.append(entry[2])
        else:
            current.append(line)
    return {name: _markdown("\n".join(description)) for name, description in entries.items()}


def _markdown(text: str) -> str:
    """Return a text of a docstring as one line, its code in single backticks."""
    return " ".join(text.split()).replace("``", "`")
