"""Read YAML safely, merge files with their bases and overrides, and remember the file and line of every key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ganzoo.errors import GanzooError, suggest_path
from ganzoo.recipe.alternatives import replaced_options
from ganzoo.registry import KINDS
from ganzoo.utils.core_yaml import CoreLoader
from ganzoo.utils.paths import expand_path

KeyPath = tuple[str | int, ...]
NAME = ""
"""Key for the name of a component that a base writes as a plain string, after options were merged into it."""
COMMAND_LINE = "command line"
"""The beginning of the places of overrides."""
KINDS_OF: dict[str, Sequence[str]] = {
    "method": ("method",),
    "data": ("dataset",),
    "networks": ("generator", "discriminator", "masker"),
    "maskers": ("masker",),
    "losses": ("loss",),
}
"""Section of a recipe → the kinds of its components."""


@dataclass(frozen=True)
class FileKind:
    """What a YAML file is, for messages about it.

    Args:
        word: the word for it.
        least: what it must have.
        example: a key with its value.
        folder: the folder in which such files usually are.
    """

    word: str
    least: str
    example: str
    folder: Path


RECIPE = FileKind("recipe", "a method and data", "method: {method: NAME}", Path("recipes"))


@dataclass
class Document:
    """The data of a recipe, the place that set each path of keys, such as ``recipes/sm.yaml:12``, and the files.

    The first file is the recipe itself, the others are its bases.
    """

    data: dict[str, Any]
    places: dict[KeyPath, str]
    files: tuple[Path, ...] = ()

    def place(self, path: KeyPath) -> str:
        """Return the place that set a path, or else that of the nearest part of the recipe that contains it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]

    def folder(self, path: KeyPath) -> Path:
        """Return the folder of the file that set a path; that of the recipe itself for the command line."""
        named = self.place(path).rpartition(":")[0]
        return next((file for file in self.files if str(file) == named), self.files[0]).parent

    def part(self, section: str) -> Document:
        """Return a section as a document of its own. Raises GanzooError if there is none, or it is not a mapping."""
        data = self.data.get(section)
        if not isinstance(data, dict):
            raise GanzooError(f"{self.place(())}: this recipe has no section {section!r}, a mapping; add one")
        places = {path[1:]: place for path, place in self.places.items() if path[:1] == (section,)}
        return Document(data, {**places, (): self.place((section,))})


def read_yaml(file: Path, kind: FileKind = RECIPE) -> Document:
    """Return the content of one YAML file, without its base; ``kind`` says in messages what it is.

    Raises GanzooError, with the line if there is one, if the file cannot be read, is not valid YAML, is empty, is not a
    mapping, or has a tag, a duplicate key or a key that is not a string.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GanzooError(f"{file}: no such file{_similar_file(file, kind)}") from None
    except IsADirectoryError:
        inner = file / "recipe.yaml"
        is_run = kind is RECIPE and inner.is_file()
        meant = f"the recipe that the run began with ({inner} is a copy)" if is_run else f"the {kind.word}'s file"
        raise GanzooError(f"{file}: a folder, not a {kind.word}; give {meant}") from None
    except UnicodeDecodeError:
        raise GanzooError(f"{file}: not a text file (UTF-8); a {kind.word} is YAML") from None
    except OSError as error:
        raise GanzooError(f"{file}: cannot be read: {error.strerror}") from None
    builder = _Builder(lambda line: f"{file}:{line}")
    try:
        data = builder.read(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
        raise GanzooError(f"{file}{line}: not YAML: {reason}") from None
    except RecursionError:
        raise GanzooError(f"{file}: nested too deeply") from None
    if data is None:
        raise GanzooError(f"{file}: empty; a {kind.word} needs at least {kind.least}")
    if not isinstance(data, dict):
        raise GanzooError(f"{file}:1: a {kind.word} is a mapping of keys to values, such as '{kind.example}'")
    return Document(data, {**builder.places, (): f"{file}:1"}, (file,))


def read_value(text: str, origin: str, *, items: bool = False) -> Any:
    """Return the plain data of a text that a user gave as YAML; with ``items`` a list of what commas separate in it.

    Raises GanzooError, which begins with ``origin``, if it is not YAML or not plain data.
    """
    try:
        return _Builder(lambda line: origin).read(f"[{text}]" if items else text)
    except (yaml.YAMLError, RecursionError) as error:
        if items:
            read_value(text, origin)  # its error is about the text as it was given, without brackets
        problem = getattr(error, "problem", None) or "nested too deeply"
        raise GanzooError(f"{origin} {text!r}: not YAML: {problem}") from None


def _similar_file(file: Path, kind: FileKind) -> str:
    """Return what was meant instead of a file that does not exist: a similar one, or that in the usual folder."""
    usual = kind.folder / file
    return f" (did you mean {str(usual)!r}?)" if usual.is_file() else suggest_path(file)


class _Builder:
    """Converts YAML to plain data and records the place of every key; ``where``: number of a line → its place."""

    PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

    def __init__(self, where: Callable[[int], str]) -> None:
        self.where = where
        self.places: dict[KeyPath, str] = {}
        self.ancestors: list[yaml.Node] = []
        self.flattened: list[yaml.Node] = []

    def read(self, text: str) -> Any:
        self.loader = CoreLoader(text)
        node = self.loader.get_single_node()
        return None if node is None else self.build(node, ())

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        place = self.where(node.start_mark.line + 1)
        self.places.setdefault(path, place)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node.tag not in self.PLAIN_TAGS:
            raise GanzooError(f"{place}: the tag {node.tag!r} is not allowed; give plain data without tags")
        if any(node is ancestor for ancestor in self.ancestors):
            raise GanzooError(f"{place}: this part contains itself")
        self.ancestors.append(node)
        try:
            if not isinstance(node, yaml.MappingNode):
                return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
            mapping: dict[str, Any] = {}
            for key, place, value in self.pairs(node):
                self.places[(*path, key)] = place
                mapping[key] = self.build(value, (*path, key))
            return mapping
        finally:
            self.ancestors.pop()

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, str, yaml.Node]]:
        """Yield each key, its place and its value; keys merged by ``<<`` come first, so the mapping's own keys win."""
        if not any(node is other for other in self.flattened):
            self.flattened.append(node)
            first: dict[str, str] = {}
            for key_node, _ in node.value:
                key, place = self.scalar(key_node), self.where(key_node.start_mark.line + 1)
                if key in first:
                    raise GanzooError(f"{place}: duplicate key {key!r} (first at {first[key]})")
                first[key] = place
            self.loader.flatten_mapping(node)
        for key_node, value in node.value:
            key, place = self.scalar(key_node), self.where(key_node.start_mark.line + 1)
            if not isinstance(key, str):
                raise GanzooError(f"{place}: the key {key_node.value!r} is read as {key!r}; put it in quotes")
            yield key, place, value

    def scalar(self, node: yaml.Node) -> Any:
        place = self.where(node.start_mark.line + 1)
        if not isinstance(node, yaml.ScalarNode):
            raise GanzooError(f"{place}: a key must be a single word, not a list or a mapping")
        return "<<" if node.tag == "tag:yaml.org,2002:merge" else self.loader.construct_object(node)


def read_with_base(file: Path, derived: tuple[Path, ...] = ()) -> Document:
    """Return the content of a file, merged over that of its ``base``, which may have a base itself.

    Raises GanzooError as ``read_yaml`` does, also for a base that is not a path, does not exist or leads back to the
    file.

    Args:
        file: the file; its ``base`` is a path relative to the file's folder.
        derived: the files whose bases led to this file, as resolved paths.
    """
    real = Path(os.path.realpath(file))  # unlike resolve(), no error for a link that leads to itself
    if real in derived:
        chain = " → ".join(path.name for path in (*derived, file))
        raise GanzooError(f"{file}: circular base: {chain}")
    document = read_yaml(file)
    base = document.data.pop("base", None)
    if base is None:
        return document
    if not isinstance(base, str):
        raise GanzooError(f"{document.place(('base',))}: base is {base!r}; it must be the path of another recipe")
    target = file.parent / expand_path(Path(base))
    if not target.is_file():
        raise GanzooError(f"{document.place(('base',))}: no such recipe: {target}")
    return merge(read_with_base(target, (*derived, real)), document)


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """Return a document with ``key.path=value`` overrides merged into it; the values are read as YAML.

    Raises GanzooError for an override of another form, or whose value is not YAML or not plain data.
    """
    for text in overrides:
        key, equals, value = text.partition("=")
        keys = tuple(key.split("."))
        if not equals or not all(keys):
            raise GanzooError(f"{COMMAND_LINE}: {text!r} is not of the form key.path=value, without spaces around =")
        place = f"{COMMAND_LINE}: {text}"
        builder = _Builder(lambda line, place=place: place)  # type: ignore[misc]
        try:
            data = builder.read(value)
        except (yaml.YAMLError, RecursionError):
            raise GanzooError(f"{COMMAND_LINE}: the value of {text!r} is not YAML; put it in quotes") from None
        for part in reversed(keys):
            data = {part: data}
        places: dict[KeyPath, str] = {keys[:depth]: place for depth in range(1, len(keys) + 1)}
        places |= {(*keys, *path): place for path in builder.places}
        document = merge(document, Document(data, {**places, (): document.place(())}))
    return document


def merge(base: Document, over: Document) -> Document:
    """Return ``base`` with ``over`` merged over it.

    Mappings are merged key by key; any other value replaces the old one. There are three exceptions: a component with
    another name replaces the whole old component; options merged over a component that ``base`` writes as a plain name
    keep that name, under the key ``NAME``; and an option replaces those that it excludes: ``steps`` an inherited
    ``epochs``, unless it is 0.
    """
    places = dict(base.places)
    data = _merge(base.data, over.data, (), places, over.places)
    places[()] = over.places[()]
    return Document(data, places, (*over.files, *base.files))


def _merge(base: Any, over: Any, path: KeyPath, places: dict[KeyPath, str], new: dict[KeyPath, str]) -> Any:
    """Return ``over`` merged over ``base``, both at ``path``; add to ``places`` the places of ``over``, in ``new``."""
    own = path[1:] if path[:1] == ("demo",) else path  # a recipe in the recipe
    component = _holds_component(own)
    if component and isinstance(base, str) and isinstance(over, dict) and not set(_kinds(own, {})) & set(over):
        base = {NAME: base}
    mappings = isinstance(base, dict) and isinstance(over, dict)
    if mappings and not names_another_component(base, over, _kinds(own, base)):
        replaced = replaced_options(own, base, over) if component or own == ("train",) else set()
        merged = {key: value for key, value in base.items() if key not in replaced}
        for key, value in over.items():
            here = (*path, key)
            merged[key] = _merge(base[key], value, here, places, new) if key in base else value
            if key not in base:
                places.update({key_path: place for key_path, place in new.items() if key_path[: len(here)] == here})
        return merged
    for key_path in [key_path for key_path in places if key_path[: len(path)] == path]:
        del places[key_path]
    places.update({key_path: place for key_path, place in new.items() if key_path[: len(path)] == path})
    return over


def _holds_component(path: KeyPath) -> bool:
    """Return whether this path of a recipe is that of a component (metrics, which are in a list, do not count)."""
    return len(path) == (1 if path[:1] in {("method",), ("data",)} else 2) and path[0] in KINDS_OF


def _kinds(path: KeyPath, base: dict[str, Any]) -> Sequence[str]:
    """Return the kinds of component that a place of a recipe can hold; in an option of one, that which ``base`` has.

    Another kind's name is there an option like any other, as ``discriminator`` is of ``feature_matching``.
    """
    if _holds_component(path):
        return KINDS_OF[str(path[0])]
    if any(_holds_component(path[:length]) for length in (1, 2)):
        return [key for key in base if key in KINDS][:1]
    return ()


def names_another_component(base: dict[str, Any], over: dict[str, Any], kinds: Iterable[str]) -> bool:
    """Return whether the mappings name different components of one of these kinds: ``over`` then inherits no option."""
    named = [(base.get(kind, base.get(NAME)), over[kind]) for kind in kinds if kind in over]
    return any(isinstance(old, str) and isinstance(new, str) and old != new for old, new in named)


def sort_key(problem: str) -> tuple[str, int]:
    """Return a key that sorts messages ``file:line: …`` by file and line; messages without a line number come last."""
    match = re.match(r"(.*?):(\d+): ", problem)
    return (match[1], int(match[2])) if match else ("\uffff", 0)
