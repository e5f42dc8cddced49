"""The text of errors about words of a command line that click does not know, with the nearest right one."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from ganzoo.errors import suggest
from ganzoo.utils.program import program_name

RECIPE_SUFFIXES = (".yaml", ".yml")


def describe(error: click.ClickException, words: Sequence[str] = ()) -> str:
    """Return an error of click as one line.

    Args:
        error: the error.
        words: the command line's words; by default those of this process.
    """
    words = words or sys.argv[1:]
    context = getattr(error, "ctx", None)
    if isinstance(error, click.NoSuchOption):
        return f"{_path(context)}no such option {error.option_name!r}{_other_option(error.option_name, words, context)}"
    text = error.format_message().strip().rstrip(".")
    return f"{_path(context)}{text[:1].lower()}{text[1:]}"


def unknown_command(name: str, known: Sequence[str]) -> str:
    """Return the text about a command that does not exist."""
    if name.endswith(RECIPE_SUFFIXES) or Path(name).is_file():
        return f"no such command {name!r}; to train a recipe: {program_name()} run {name}"
    return f"no such command {name!r}{suggest(name, known)}"


def _other_option(name: str, words: Sequence[str], context: click.Context | None) -> str:
    """Return what was meant instead of an option: an override of the recipe, or a similar option."""
    word = next((one for one in words if one.startswith(("-", "--")) and "=" in one and one.startswith(name)), name)
    key, _, value = word.lstrip("-").partition("=")
    value = value or _next_word(words, word)
    names = [one.name for one in context.command.params] if context else []
    if "overrides" in names or "changes" in names:
        section = "" if "." in key else _section_of(key)
        if "." in key or section:
            flag = "" if "overrides" in names else "--set "
            return f"; a key of the recipe is set without dashes: {flag}{section}{key}={value or '…'}"
    options = [option for one in (context.command.params if context else []) for option in one.opts]
    return suggest(name, [option for option in options if option.startswith("--")])


def _next_word(words: Sequence[str], word: str) -> str:
    following = list(words)[list(words).index(word) + 1 :] if word in words else []
    return following[0] if following and not following[0].startswith("-") else ""


def _section_of(key: str) -> str:
    """Return the section of a recipe that has a setting, with a point: ``train.`` for ``steps``; empty if none has."""
    from dataclasses import fields

    from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings

    sections = {"train": TrainSettings, "images": ImageSettings, "evaluate": EvaluateSettings}
    return next((f"{name}." for name, one in sections.items() if key in {field.name for field in fields(one)}), "")


def _path(context: click.Context | None) -> str:
    """Return the command's name and a colon: ``run: ``; empty for ganzoo itself."""
    name = context.command_path.partition(" ")[2] if context else ""
    return f"{name}: " if name else ""
