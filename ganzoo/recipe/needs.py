"""Read the section ``needs`` of a recipe: the runs, banks and other folders that it uses, and how each is made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ganzoo.errors import GanzooError
from ganzoo.recipe.yaml_document import Document
from ganzoo.utils.core_yaml import flow, load_yaml

KEYS = ("recipe", "set", "demo", "command")
FORM = "{recipe: FILE, set: [key.path=value], demo: true} or {command: 'bank build …'}"
_REFERENCE = re.compile(r"\{(\w+(?:\.\w+)+)\}")


@dataclass(frozen=True)
class Need:
    """One folder that a recipe uses, and how it is made.

    Args:
        path: the folder, relative to the working folder.
        recipe: the recipe whose run the folder is; None for a command.
        overrides: changes of that recipe, each ``key.path=value``.
        demo: whether its section ``demo`` applies.
        command: words of a plugin's command, without the output folder; empty for a recipe.
        problem: why it cannot be made, with its place; empty if it can.
    """

    path: Path
    recipe: Path | None = None
    overrides: tuple[str, ...] = ()
    demo: bool = False
    command: tuple[str, ...] = ()
    problem: str = ""

    def __str__(self) -> str:
        return f"the recipe {self.recipe}" if self.recipe else f"ganzoo {shlex.join(self.command)}"


def read_needs(document: Document) -> list[Need]:
    """Return the entries of ``needs`` that the rest of the recipe refers to, in their order.

    ``{key.path}`` in an entry stands for that value of the recipe, such as ``{data.root}``; where the recipe does not
    set it, the need has a problem. An entry whose folder is not a value anywhere else in the recipe is left out: an
    override has replaced it. The path of another recipe is relative to the folder of the file that names it, which may
    be a base; on the command line to that of the recipe.

    Args:
        document: the merged recipe.

    Raises GanzooError, with its place, for an entry of another form, and a folder outside of the working folder.
    """
    section = document.data.get("needs") or {}
    if not isinstance(section, dict):
        raise GanzooError(f"{document.place(('needs',))}: needs: it must be a mapping: FOLDER: {FORM}")
    used = paths_in(document)
    entries = [(path, value) for path, value in section.items() if value is not None and Path(path) in used]
    return [_read_need(document, path, value) for path, value in entries]


def paths_in(document: Document) -> set[Path]:
    """Return the texts of a recipe outside of ``needs`` and ``demo`` as paths; any of them may be a needed folder."""
    rest = {key: value for key, value in document.data.items() if key not in ("needs", "demo")}
    return set(map(Path, _texts(rest)))


def _read_need(document: Document, path: str, value: Any) -> Need:
    where = f"{document.place(('needs', path))}: needs.{path}"
    made = Path(path)
    if made.anchor or ".." in made.parts or not made.parts:
        raise GanzooError(f"{where}: it must be a folder below the working folder, such as banks/mine")
    entry: Any = {"recipe": value} if isinstance(value, str) else value
    if isinstance(entry, dict):
        entry = {key: one for key, one in entry.items() if one is not None}  # as an override removes it
    if not _has_form(entry):
        raise GanzooError(f"{where}: it is {value!r}; it must be {FORM}")

    texts = [entry["command"]] if "command" in entry else entry.get("set", ())
    unset = next((key for text in texts for key in _REFERENCE.findall(text) if _lookup(document, key) is None), "")
    problem = ""
    if unset:
        problem = f"{where}: it refers to {{{unset}}}, which the recipe does not set; set it, or make {path} yourself"

    def filled(text: str) -> str:
        return text if unset else _REFERENCE.sub(lambda found: str(_lookup(document, found[1])), text)

    if "command" in entry:
        try:
            words = tuple(filled(word) for word in shlex.split(entry["command"]))
        except ValueError as error:  # no closing quotation
            raise GanzooError(f"{where}: command is {entry['command']!r}: {str(error).lower()}") from None
        if {"-o", "--out", "--fresh"} & set(words) or not words:
            raise GanzooError(f"{where}: leave out -o and --fresh; the command writes {path}, if it is not there")
        return Need(made, command=words, problem=problem)
    if len(made.parts) < 3 or made.parts[-2] != Path(entry["recipe"]).stem:
        raise GanzooError(f"{where}: a run of {entry['recipe']} is runs/{Path(entry['recipe']).stem}/NAME")
    changes = () if unset else tuple(_fill_change(document, one, where) for one in texts)
    recipe = document.folder(("needs", path, "recipe")) / entry["recipe"]
    return Need(made, recipe, changes, entry.get("demo", False), problem=problem)


def _fill_change(document: Document, change: str, where: str) -> str:
    """Return an override with the recipe's values in place of ``{key.path}``, in quotes where YAML needs them."""
    key, equals, text = change.partition("=")
    values: list[Any] = []

    def mark(found: re.Match[str]) -> str:
        values.append(_lookup(document, found[1]))
        return f"\ue000{len(values) - 1}\ue001"  # characters for private use, which no recipe needs

    def filled(data: Any) -> Any:
        if isinstance(data, dict):
            return {filled(name): filled(one) for name, one in data.items()}
        if isinstance(data, list):
            return [filled(one) for one in data]
        if not isinstance(data, str):
            return data
        if alone := re.fullmatch("\ue000(\\d+)\ue001", data):
            return values[int(alone[1])]
        return re.sub("\ue000(\\d+)\ue001", lambda found: str(values[int(found[1])]), data)

    marked = _REFERENCE.sub(mark, text)
    if not values:
        return change
    try:
        return f"{key}{equals}{flow(filled(load_yaml(marked)))}"
    except yaml.YAMLError:
        raise GanzooError(f"{where}: set: the value of {change!r} is not YAML; put it in quotes") from None


def _has_form(entry: Any) -> bool:
    """Return whether an entry has the form ``FORM``."""
    if not isinstance(entry, dict) or set(entry) - set(KEYS):
        return False
    if "command" in entry:
        return set(entry) == {"command"} and isinstance(entry["command"], str)
    changes = entry.get("set", [])
    return (
        isinstance(entry.get("recipe"), str)
        and entry["recipe"] != ""
        and isinstance(changes, list)
        and all(isinstance(one, str) for one in changes)
        and isinstance(entry.get("demo", False), bool)
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _lookup(document: Document, key: str) -> Any:
    """Return a value of the recipe; None if it is not set, or if there is a section instead of a value."""
    value: Any = document.data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if isinstance(value, dict) else value
