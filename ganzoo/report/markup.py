"""HTML as a tree: what comes from files enters as text or as an attribute's value, and is escaped on the way out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree.ElementTree import Element, tostring

Child = Element | str | None

FORBIDDEN = re.compile("[^\t\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Control characters and halves of surrogate pairs, which no HTML may hold."""


def node(tag: str, attributes: Mapping[str, object] | None = None, *children: Child) -> Element:
    """Return an element with attributes and children, texts and elements mixed; None is left out.

    >>> document(node("p", {"title": '"'}, "1 < ", node("b", {}, "2")))
    '<!doctype html>\\n<p title="&quot;">1 &lt; <b>2</b></p>\\n'
    """
    made = Element(tag, {name: clean(str(value)) for name, value in (attributes or {}).items()})
    for child in children:
        if isinstance(child, Element):
            made.append(child)
        elif child is not None and len(made):
            made[-1].tail = (made[-1].tail or "") + clean(child)
        elif child is not None:
            made.text = (made.text or "") + clean(child)
    return made


def clean(text: str) -> str:
    """Return a text with characters that no HTML may hold replaced.

    >>> clean("a\\r\\nb\\x00")
    'a\\nb\ufffd'
    """
    return FORBIDDEN.sub("\ufffd", text.replace("\r\n", "\n"))


def document(root: Element) -> str:
    """Return a whole document. The text of ``script`` and ``style`` is written as it is: let it be ours alone."""
    return f"<!doctype html>\n{tostring(root, encoding='unicode', method='html')}\n"
