"""Make a recipe from the fields of a form: which fields a component has, the text of the recipe, and what check says.

The fields come from the options of the installed components, as ``ganzoo show`` lists them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from ganzoo.check.component_facts import component_facts
from ganzoo.contracts.declaration import KIND_OPTIONS
from ganzoo.errors import GanzooError, one_line
from ganzoo.plugins import plugins
from ganzoo.recipe.options import MISSING, options_of
from ganzoo.recipe.quick_check import SETTINGS
from ganzoo.recipe.type_schema import type_schema
from ganzoo.utils.atomic import is_folder_name
from ganzoo.utils.core_yaml import dump_yaml, load_yaml
from ganzoo.utils.jsonl import to_plain

TRUTH = ("true", "false")
PATIENCE = 300
"""The most seconds that a check may take."""


@dataclass(frozen=True)
class Field:
    """One option, as a field of the form.

    Args:
        name: the option.
        about: its type and its default, in words.
        choices: the values to choose from; empty: any text, which is read as YAML.
        required: whether it must be filled in.
    """

    name: str
    about: str
    choices: tuple[str, ...] = ()
    required: bool = False


@cache
def fields_of(kind: str, name: str) -> tuple[Field, ...]:
    """Return the fields of a component, or of the settings ``images``, ``train`` or ``evaluate``.

    Args:
        kind: the kind of the component, or ``settings``.
        name: its name.

    Raises GanzooError if there is no such component, or if it cannot be imported.
    """
    if kind == "settings":
        targets = [SETTINGS[name][0]]
    else:
        targets = [plugins().registry.get(kind, name).load()]
        targets += [KIND_OPTIONS[kind]] if kind in KIND_OPTIONS else []
    fields = []
    for option in (one for target in targets for one in options_of(target).values()):
        schema = type_schema(option.type)
        words = TRUTH if option.type is bool else schema["enum"] if set(schema) == {"enum"} else ()
        default = (
            "required" if option.default is MISSING else f"default {dump_yaml(to_plain(option.default), flow=True)}"
        )
        about = f"{option.type_text}; {default.removesuffix(chr(10)).removesuffix('...').strip()}"
        fields.append(Field(option.name, about, tuple(map(str, words)), option.required))
    return tuple(fields)


def component_names(kind: str) -> list[str]:
    """Return the names of all installed components of a kind, sorted."""
    return sorted(component.name for component in plugins().registry.find(kind))


@dataclass(frozen=True)
class MethodPlaces:
    """The places that a method has for other components.

    Args:
        networks: key in ``networks`` → kind of the component, and the name of its default.
        roles: the mask roles that it accepts.
        required: those of them that it requires.
    """

    networks: dict[str, tuple[str, str]]
    roles: tuple[str, ...]
    required: tuple[str, ...]


@cache
def method_places(name: str) -> MethodPlaces:
    """Return the places of a method. Slots of both directions are one place, as a recipe can write them: ``G``, ``D``.

    Raises GanzooError if there is no such method, or if it cannot be imported.
    """
    from ganzoo.recipe.networks import slot_groups

    facts = component_facts(plugins().registry.get("method", name))
    networks: dict[str, tuple[str, str]] = {}
    for slot, fact in facts.get("networks", {}).items():
        if fact["kind"] and not fact["built_by_the_method"]:
            key = next(iter(slot_groups(slot)), slot)
            networks.setdefault(key, (fact["kind"], str(fact["default"].get(fact["kind"], ""))))
    return MethodPlaces(networks, tuple(facts.get("accepts", ())), tuple(facts.get("requires", ())))


def read_value(text: str) -> Any:
    """Return what a field says, read as YAML. Raises GanzooError if it is not YAML."""
    try:
        return load_yaml(text)
    except yaml.YAMLError as error:
        raise GanzooError(f"{text!r} is not YAML: {one_line(error)}") from None


def component_entry(kind: str, name: str, values: Mapping[str, str]) -> dict[str, Any]:
    """Return a component as a recipe writes it, with the options that are filled in.

    Raises GanzooError, with the option, if a value is not YAML.
    """
    entry: dict[str, Any] = {kind: name} if name else {}
    for option, text in values.items():
        if text and text.strip():
            try:
                entry[option] = read_value(text)
            except GanzooError as error:
                raise GanzooError(f"{kind} {name}, {option}: {error}") from None
    return entry


def recipe_text(sections: Mapping[str, Any]) -> str:
    """Return the text of a recipe: one line for each component, empty sections are left out.

    >>> print(recipe_text({"method": {"method": "cyclegan"}, "networks": {"G": {"width": 8}}, "losses": {}}), end="")
    method: {method: cyclegan}
    networks:
      G: {width: 8}
    """
    lines = []
    for name, value in sections.items():
        if not value:
            continue
        nested = name in ("networks", "maskers", "losses")
        if nested:
            lines.append(f"{name}:")
            lines += [f"  {key}: {_flow(entry)}" for key, entry in value.items()]
        else:
            lines.append(f"{name}: {_flow(value)}")
    return "".join(f"{line}\n" for line in lines)


def _flow(value: Any) -> str:
    return dump_yaml(value, flow=True).strip()


def check_text(text: str, name: str, folder: Path, *, quick: bool = True) -> tuple[bool, str]:
    """Return whether ``ganzoo check`` accepts a recipe's text, and what it prints: mistakes with their lines.

    Args:
        text: the recipe.
        name: the recipe's name, for the messages.
        folder: the folder for recipes, to which paths in the text are relative; the text is a file there meanwhile. If
            it is missing or cannot be written, they are relative to a temporary folder.
        quick: whether to read not all images, and to measure nothing.

    Raises GanzooError if the file cannot be written, or if the check takes too long.
    """
    with TemporaryDirectory() as other:
        place = folder if folder.is_dir() and os.access(folder, os.W_OK) else Path(other)
        file = place / f"check-{token_hex(8)}.yaml"
        words = [sys.executable, "-m", "ganzoo", "check", str(file), *(["--quick"] if quick else [])]
        try:
            file.write_text(text, encoding="utf-8")
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=PATIENCE, errors="replace", check=False
            )
        except subprocess.TimeoutExpired:
            raise GanzooError(f"the check took more than {PATIENCE} s; run it on the command line") from None
        except OSError as error:
            raise GanzooError(f"{place}: cannot be written: {error.strerror}") from None
        finally:
            with suppress(OSError):
                file.unlink(missing_ok=True)
    name = name.removesuffix(".yaml")
    printed = (done.stdout if done.returncode == 0 else done.stderr).replace(str(file), f"{name}.yaml")
    lines = printed.replace(file.stem, name).strip().splitlines()
    return done.returncode == 0, "\n".join(line.removeprefix("ganzoo: ") for line in lines)


def write_recipe(text: str, name: str, folder: Path) -> Path:
    """Write a recipe as a new file ``NAME.yaml``; return its path.

    Raises GanzooError for a name that is not one of a file, if the file exists, or if it cannot be written.
    """
    if not is_folder_name(name):
        raise GanzooError(f"name: {name!r} must be a file's name, without a folder and without .yaml")
    file = folder / f"{name.removesuffix('.yaml')}.yaml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError:
        raise GanzooError(f"{file}: it exists already; choose another name") from None
    except OSError as error:
        raise GanzooError(f"{file}: cannot be written: {error.strerror}") from None
    return file


def name_problem(name: str) -> str:
    """Return why a recipe cannot have this name; an empty text if it can."""
    return "" if is_folder_name(name) else "write the recipe's name first, without a folder and without .yaml"
