"""Turn docstrings into Markdown: their text, the meaning of each argument, and examples."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Docstring:
    """The parts of a docstring.

    Args:
        text: all of it except the block ``Args:``, as Markdown.
        arguments: name of an argument → its meaning, in one line.
    """

    text: str
    arguments: dict[str, str] = field(default_factory=dict)


def parse(doc: str | None) -> Docstring:
    """Return the parts of a docstring.

    >>> parse("Blur.\\n\\nArgs:\\n    size: radius,\\n        in pixels.\\n\\nRaises an error.")
    Docstring(text='Blur.\\n\\nRaises an error.', arguments={'size': 'radius, in pixels.'})
    """
    head, marker, rest = inspect.cleandoc(doc or "").partition("\nArgs:\n")
    if not marker:
        return Docstring(_markdown(head))
    block = re.match(r"(?:(?: {4}.*)?\n|(?: {4}.*)\Z)*", rest)
    assert block
    arguments: dict[str, str] = {}
    for name, text in re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", block[0], re.MULTILINE):
        arguments[name] = escape(" ".join(text.split()))
    return Docstring(_markdown(f"{head.rstrip()}\n\n{rest[block.end() :]}".strip()), arguments)


def _markdown(text: str) -> str:
    """Return text with code in single backticks, and examples in blocks of code."""
    blocks = []
    for block in re.split(r"\n{2,}", text.strip()):
        if block.startswith(">>> "):
            blocks.append(f"```pycon\n{block}\n```")
        elif block.startswith("    "):
            blocks.append(f"```text\n{inspect.cleandoc(block)}\n```")
        else:
            blocks.append(escape(block))
    return "\n\n".join(blocks)


def escape(text: str) -> str:
    """Return text whose code stands in single backticks, with what Markdown would read as markup escaped."""
    parts = re.split(r"(``.+?``)", text, flags=re.DOTALL)
    return "".join(
        f"`{part[2:-2]}`" if part.startswith("``") else re.sub(r"(<(?=[\w/!])|\*|(?<!\w)_|(?<=\])[(\[])", r"\\\1", part)
        for part in parts
    )
