"""Turn docstrings into Markdown: their text, the meaning of each argument, and examples."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass, field

from ganzoo.recipe.option_docs import split_doc


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
    parts = split_doc(doc)
    return Docstring(_markdown(parts.text), {name: escape(text) for name, text in parts.arguments.items()})


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
