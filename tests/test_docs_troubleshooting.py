"""docs/troubleshooting.md quotes messages of the program: each fragment must be in a text of its source."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.pages import ROOT

PAGE = ROOT / "docs/troubleshooting.md"
GAP = "…"
"""What stands in a message, here and on the page, for a value that is filled in."""


def texts_of(file: Path) -> list[str]:
    """Return the texts in a source file; in an f-string a gap stands for each value, and sums of texts are joined."""
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant | ast.JoinedStr | ast.BinOp):
            found.append(as_text(node))
    return [text for text in found if text]


def as_text(node: ast.expr) -> str:
    """Return an expression as text: its own, or a gap if it is a value."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr():
            return "".join(as_text(part) for part in node.values)
        case ast.BinOp(op=ast.Add()):
            return as_text(node.left) + as_text(node.right)
    return GAP


@cache
def corpus() -> str:
    files = [*(ROOT / "ganzoo").rglob("*.py"), *(ROOT / "plugins").rglob("*.py")]
    return "\n".join(text for file in sorted(files) for text in texts_of(file))


def is_said(fragment: str) -> bool:
    """Return whether a text of the program contains the fragment; its gaps stand for anything within a line."""
    pattern = ".*?".join(re.escape(part) for part in fragment.split(GAP))
    return re.search(pattern, corpus()) is not None


def fragments() -> list[str]:
    """Return the messages in the page's tables, and the hints that its symptoms name."""
    page = PAGE.read_text()
    messages, symptoms = page.split("## Symptoms in the images")
    return re.findall(r"^\| `(.*?)` \|", messages, re.MULTILINE) + re.findall(r"hint: `(.*?)`", symptoms)


@pytest.mark.parametrize("fragment", fragments())
def test_a_quoted_message_is_one_of_the_programs(fragment: str) -> None:
    assert is_said(fragment), f"no text of the program contains: {fragment}"


def test_the_page_has_the_usual_messages_each_once() -> None:
    quoted = fragments()
    assert len(quoted) >= 60 and len(set(quoted)) == len(quoted)


def test_a_message_that_the_program_does_not_say_is_noticed() -> None:
    assert is_said("no such recipe: …") and not is_said("no such recipe, dear … at all")
