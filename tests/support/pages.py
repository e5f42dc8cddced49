"""The README and the pages of docs/: the code blocks in them and the commands in those."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from ganzoo.cli import cli

ROOT = Path(__file__).parents[2]
OF_THE_TUTORIAL = ("mosaic.yaml", "palette.yaml")
"""Recipes of the package that docs/tutorial_plugin.md writes."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands(text: str) -> list[list[str]]:
    """Return the words of every ganzoo command in a text, comments left out."""
    begins = ("# ganzoo", "# accelerate launch ganzoo")
    lines = (line.lstrip("# ") if line.startswith(begins) else line for line in text.splitlines())
    words = [shlex.split(line.split("   ")[0], comments=True) for line in lines if "ganzoo " in line]
    return [line[line.index("ganzoo") + 1 :] for line in words if "ganzoo" in line]


def assert_parses(words: list[str]) -> None:
    name, *arguments = words
    command = cli.get_command(click.Context(cli), name)  # maybe a plugin's
    assert command, f"there is no command {name}"
    context = command.make_context(name, arguments)
    recipe = context.params.get("recipe")
    if recipe is not None and "recipes" in recipe.parts and recipe.name not in OF_THE_TUTORIAL:
        assert (ROOT / recipe).is_file()
