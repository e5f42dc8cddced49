"""Read the section ``needs`` of a recipe: the runs, banks and other folders that it uses, and how each is made."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ganzoo.errors import GanzooError
from ganzoo.recipe.yaml_document import Document

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
    """

    path: Path
    recipe: Path | None = None
    overrides: tuple[str, ...] = ()
    demo: bool = False
    command: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"the recipe {self.recipe}" if self.recipe else f"ganzoo {shlex.join(self.command)}"


def read_needs(document: Document, folder: Path) -> list[Need]:
    """Return the entries of ``needs`` that the rest of the recipe refers to, in their order.

    ``{key.path}`` in an entry stands for that value of the recipe, such as ``{data.root}``. An entry whose folder is
    not a value anywhere else in the recipe is left out: an override has replaced it.

    Args:
        document: the merged recipe.
        folder: the recipe's folder, to which paths of other recipes are relative.

    Raises GanzooError, with its place, for an entry of another form, a folder outside of the working folder, and a
    reference to a value that the recipe does not have.
    """
    section = document.data.get("needs") or {}
    if not isinstance(section, dict):
        raise GanzooError(f"{document.place(('needs',))}: needs: it must be a mapping: FOLDER: {FORM}")
    rest = {key: value for key, value in document.data.items() if key not in ("needs", "demo")}
    used = set(_texts(rest))
    return [_read_need(document, path, value, folder) for path, value in section.items() if value and path in used]


def _read_need(document: Document, path: str, value: Any, folder: Path) -> Need:
    where = f"{document.place(('needs', path))}: needs.{path}"
    if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts:
        raise GanzooError(f"{where}: it must be a folder below the working folder, such as banks/mine")
    if isinstance(value, str):
        value = {"recipe": value}
    if not isinstance(value, dict) or set(value) - set(KEYS) or ("recipe" in value) == ("command" in value):
        raise GanzooError(f"{where}: it must be {FORM}")

    def filled(text: Any) -> str:
        return _REFERENCE.sub(lambda found: _lookup(document, found[1], where), str(text))

    if "command" in value:
        words = tuple(filled(word) for word in shlex.split(str(value["command"])))
        if {"-o", "--out", "--fresh"} & set(words) or not words:
            raise GanzooError(f"{where}: leave out -o and --fresh; the command writes {path}, if it is not there")
        return Need(Path(path), command=words)
    if len(PurePosixPath(path).parts) < 3 or PurePosixPath(path).parts[-2] != Path(value["recipe"]).stem:
        raise GanzooError(f"{where}: a run of {value['recipe']} is runs/{Path(value['recipe']).stem}/NAME")
    overrides = tuple(map(filled, value.get("set") or ()))
    return Need(Path(path), folder / str(value["recipe"]), overrides, bool(value.get("demo")))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, str):
        yield value


def _lookup(document: Document, key: str, where: str) -> str:
    value: Any = document.data
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(value, dict):
        raise GanzooError(f"{where}: it refers to {{{key}}}, which the recipe does not set")
    return str(value)
