"""Pieces of Markdown that all reference pages use."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from ganzoo.recipe.options import Option
from ganzoo.utils.core_yaml import flow
from ganzoo.utils.jsonl import to_plain

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs/reference"


def link(file: Path, text: str) -> str:
    """Return a link from a reference page to a file of the repository."""
    return f"[{text}]({Path(os.path.relpath(file, FOLDER)).as_posix()})"


def source_link(target: object) -> str:
    """Return a link to the file that defines a class or function, by its path in the repository."""
    plain = inspect.unwrap(target) if callable(target) else target  # a context manager's is in contextlib
    file = Path(inspect.getsourcefile(plain) or "").resolve().relative_to(ROOT)  # type: ignore[arg-type]
    return link(ROOT / file, f"`{file.as_posix()}`")


def code(text: str) -> str:
    """Return text as inline code, whatever backticks it has."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def join(*blocks: str) -> str:
    """Return blocks of Markdown with an empty line between them; empty ones are left out."""
    return "\n\n".join(block.strip("\n") for block in blocks if block)


def option_list(options: Iterable[Option], meanings: Mapping[str, str]) -> str:
    """Return options as a list: name, type with bounds, default as a recipe writes it, and meaning."""
    items = []
    for option in options:
        type_text = option.type_text.replace(" | None", " | null")
        default = "" if option.required else f" = {flow(to_plain(option.default))}"
        meaning = ("required; " if option.required else "") + meanings.get(option.name, "")
        items.append(f"- {code(f'{option.name}: {type_text}{default}')}<br>\n  {meaning}".rstrip())
    return "\n".join(items)
