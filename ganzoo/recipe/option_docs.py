"""Read what a component's docstring says about itself and each argument, for editors and reference pages."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class DocParts:
    """The parts of a docstring, as its author wrote them.

    Args:
        text: all of it except the block ``Args:``.
        arguments: name of an argument → its meaning, in one line.
    """

    text: str
    arguments: dict[str, str] = field(default_factory=dict)


def split_doc(doc: str | None) -> DocParts:
    """Return the parts of a docstring.

    >>> split_doc("Blur.\\n\\nArgs:\\n    size: radius,\\n        in pixels.\\n\\nRaises an error.")
    DocParts(text='Blur.\\n\\nRaises an error.', arguments={'size': 'radius, in pixels.'})
    """
    head, marker, rest = f"\n{inspect.cleandoc(doc or '')}".partition("\nArgs:\n")
    if not marker:
        return DocParts(head.strip())
    block = re.match(r"(?:(?: {4}.*)?\n|(?: {4}.*)\Z)*", rest)
    assert block
    found = re.findall(r"^ {4}(\w+): (.*(?:\n(?: {5}.*)?(?=\n|\Z))*)", block[0], re.MULTILINE)
    arguments = {name: " ".join(text.split()) for name, text in found}
    return DocParts(f"{head.rstrip()}\n\n{rest[block.end() :]}".strip(), arguments)


def summary(target: type[Any]) -> str:
    """Return the first paragraph of a class's docstring as one line, in Markdown; empty without a docstring.

    >>> summary(dict).startswith("dict() -> new empty dictionary")
    True
    """
    return _markdown(" ".join(split_doc(target.__doc__).text.partition("\n\n")[0].split()))


def option_docs(target: type[Any]) -> dict[str, str]:
    """Return option → description, in Markdown, from the section ``Args`` of a class's docstring.

    What the docstring of a class lacks is taken from those of its base classes.
    """
    found: dict[str, str] = {}
    for one in reversed(target.__mro__):
        if one is not object:
            found |= {name: _markdown(text) for name, text in split_doc(one.__doc__).arguments.items()}
    return found


def _markdown(text: str) -> str:
    """Return a text of a docstring with its code in single backticks."""
    return text.replace("``", "`")
