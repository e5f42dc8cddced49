"""Check the code blocks of pages: by its language each one is parsed, its names are looked up, and recipes are read.

A block that cannot be checked has a comment on the line above it that says why: ``<!-- not checked: REASON -->``. For
a command in a line of text, the comment is somewhere on the page and begins with it: ``<!-- not checked: ganzoo mine,
a plugin's command -->``.
"""

from __future__ import annotations

import ast
import doctest
import importlib
import json
import re
import subprocess
import textwrap
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import click
import yaml

from ganzoo.cli import cli
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.recipe.quick_check import SECTIONS
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.core_yaml import load_yaml
from tests.support.pages import ROOT, assert_parses, commands

BLOCK = re.compile(
    r"(?:^ *<!-- not checked: (?P<reason>.+?) -->\n)?^(?P<indent> *)```(?P<language>.*)\n(?P<text>(?:.*\n)*?) *```$",
    re.MULTILINE,
)
RECIPE_KEYS = {*SECTIONS, "base", "needs", "demo"}


@dataclass(frozen=True)
class Block:
    """A code block of a page: where it begins, its language, and its text; ``reason``: why it is not checked."""

    page: Path
    line: int
    language: str
    text: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.name}:{self.line}"


def find_blocks(page: Path) -> list[Block]:
    """Return the code blocks of a page. Raises AssertionError if a fence is left over."""
    text = page.read_text(encoding="utf-8")
    blocks = [
        Block(
            page,
            text.count("\n", 0, match.start("language")) + 1,
            match["language"].strip(),
            textwrap.dedent(match["text"]),
            match["reason"] or "",
        )
        for match in BLOCK.finditer(text)
    ]
    assert not re.search(r"^ *```", BLOCK.sub("", text), re.MULTILINE), f"{page.name}: a code block is not closed"
    return blocks


def check_block(block: Block, folder: Path) -> None:
    """Raise AssertionError, with page and line, if a block is wrong.

    Args:
        block: the block.
        folder: an empty folder, for recipes.
    """
    if block.reason:
        return
    assert block.language in CHECKS, f"{block}: the language {block.language!r} is none of {', '.join(CHECKS)}"
    try:
        CHECKS[block.language](block, folder)
    except Exception as error:
        raise AssertionError(f"{block}: {type(error).__name__}: {error}") from error


def _shell(block: Block, folder: Path) -> None:
    """Check the syntax, the words of every ganzoo command, and the targets of make."""
    parsed = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True)
    assert parsed.returncode == 0, parsed.stderr
    text = re.sub(r"^docker .*$", "", re.sub(r"\\\n\s*", " ", block.text), flags=re.MULTILINE)
    for words in commands(text):
        assert_parses(words)
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for target in re.findall(r"^make ([a-z-]+)", text, re.MULTILINE):
        assert target in targets, f"there is no target {target}"


def _python(block: Block, folder: Path) -> None:
    """Compile the text, and look up what it imports from ganzoo."""
    _check_names(block.text)


def _session(block: Block, folder: Path) -> None:
    examples = doctest.DocTestParser().get_examples(block.text)
    assert examples, "there is no >>> in it"
    _check_names("".join(example.source for example in examples))


def _check_names(source: str) -> None:
    module = ast.parse(source)
    compile(module, "block", "exec")
    aliases: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            aliases |= {one.asname or one.name: one.name for one in node.names if one.name.split(".")[0] == "ganzoo"}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ganzoo":
            for one in node.names:
                assert hasattr(importlib.import_module(str(node.module)), one.name), f"{node.module} has no {one.name}"
    for name in aliases.values():
        importlib.import_module(name)
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            module_name = aliases[node.value.id]
            assert hasattr(importlib.import_module(module_name), node.attr), f"{module_name} has no {node.attr}"


def _yaml(block: Block, folder: Path) -> None:
    """Parse it; a recipe, or a part of one, is read as ``ganzoo run`` reads it, but images may be missing."""
    content = load_yaml(block.text)
    if not isinstance(content, dict) or not RECIPE_KEYS & set(content):
        return
    for words in commands("\n".join(line for line in block.text.splitlines() if line.startswith("#"))):
        assert_parses(words)
    _read_part({key: value for key, value in content.items() if key != "demo"}, folder)


def _read_part(content: dict[str, Any], folder: Path) -> None:
    """Read a recipe; what it lacks is that of its base, or for a part of a recipe that of one of two shipped ones."""
    bases: list[str | None] = [content["base"]] if "base" in content else ["quickstart.yaml", "sm.yaml"]
    if {"method", "data"} <= set(content) and "base" not in content:
        bases = [None] if "train" in content else [None, *bases]
    errors = []
    for base in bases:
        if base:
            content["base"] = str(ROOT / "recipes" / base)
        file = folder / "block.yaml"
        file.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), encoding="utf-8")
        try:
            read_recipe(file)
            return
        except MissingResourceError:
            return  # it is right, but its images or weights are not on this machine
        except GanzooError as error:
            errors.append(error)
    raise errors[0]


CHECKS: Mapping[str, Callable[[Block, Path], object]] = MappingProxyType(
    {
        "sh": _shell,
        "console": _shell,
        "python": _python,
        "pycon": _session,
        "yaml": _yaml,
        "toml": lambda block, _: tomllib.loads(block.text),
        "json": lambda block, _: json.loads(block.text),
        "mermaid": lambda block, _: None,
        "text": lambda block, _: None,
    }
)
"""Language → function that checks a block of it."""


def check_inline_commands(page: Path) -> None:
    """Raise AssertionError for a command ``ganzoo …`` in a line of text that does not exist, or lacks an option."""
    text = BLOCK.sub("", page.read_text(encoding="utf-8"))
    excepted = re.findall(r"<!-- not checked: (ganzoo [a-z-]+), .+? -->", text)
    for words in (match.split() for match in re.findall(r"`(ganzoo [a-z][^`]*)`", text)):
        if " ".join(words[:2]) in excepted:
            continue
        command: click.Command = cli
        context = click.Context(cli)
        rest = words[1:]
        while isinstance(command, click.Group) and rest and re.fullmatch(r"[a-z][a-z-]*", rest[0]):
            found = command.get_command(context, rest[0])
            assert found, f"{page.name}: `{' '.join(words)}`: there is no command {rest[0]}"
            command, rest = found, rest[1:]
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)} | {"--help"}
        used = {word.split("=")[0].rstrip(",;") for word in rest if word.startswith("--")}
        if not isinstance(command, click.Group):
            assert used <= known, f"{page.name}: `{' '.join(words)}`: no option {', '.join(sorted(used - known))}"
