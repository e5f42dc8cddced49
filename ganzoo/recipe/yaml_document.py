"""Read YAML files safely, merge them with bases and overrides, and remember the file and line of every key."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ganzoo.errors import GanzooError
from ganzoo.registry import KINDS

KeyPath = tuple[str | int, ...]
NAME = ""
"""Key of the name of a component that was written as a plain string, after options were merged into it."""


@dataclass
class Document:
    """Plain data, and for every path of keys the place that set it, such as ``recipes/sm.yaml:12``."""

    data: dict[str, Any]
    places: dict[KeyPath, str]

    def place(self, path: KeyPath) -> str:
        """Return the place of a path, or else of the nearest mapping that contains it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


def read_yaml(file: Path) -> Document:
    """Read one file. Raises GanzooError with file:line if it cannot be read or is not a mapping."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise GanzooError(f"{file}: no such file") from None
    except UnicodeDecodeError:
        raise GanzooError(f"{file}: not a text file (UTF-8); a recipe is YAML") from None
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
        raise GanzooError(f"{file}: empty; a recipe needs at least a method and data")
    if not isinstance(data, dict):
        raise GanzooError(f"{file}:1: a recipe is a mapping of keys to values, such as 'method: {{method: cyclegan}}'")
    return Document(data, {**builder.places, (): f"{file}:1"})


class _Builder:
    """Converts YAML nodes to plain data, and records the place of every key; ``where`` returns the place of a line."""

    PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

    def __init__(self, where: Callable[[int], str]) -> None:
        self.where = where
        self.places: dict[KeyPath, str] = {}
        self.ancestors: list[yaml.Node] = []
        self.flattened: list[yaml.Node] = []

    def read(self, text: str) -> Any:
        self.loader = yaml.SafeLoader(text)
        node = self.loader.get_single_node()
        return None if node is None else self.build(node, ())

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        place = self.where(node.start_mark.line + 1)
        self.places.setdefault(path, place)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node.tag not in self.PLAIN_TAGS:
            raise GanzooError(f"{place}: the tag {node.tag!r} is not allowed; a recipe is plain data")
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
        """Yield key, place and value; keys merged by ``<<`` come first, so that the mapping's own keys replace them."""
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
        try:
            return "<<" if node.tag == "tag:yaml.org,2002:merge" else self.loader.construct_object(node)
        except ValueError as error:  # a thirteenth month, a number without digits
            raise GanzooError(f"{place}: {node.value!r} cannot be read ({error}); put it in quotes") from None


def read_with_base(file: Path, derived: tuple[Path, ...] = ()) -> Document:
    """Read a file and merge it over the file that its ``base`` names, a path relative to it.

    Raises GanzooError as ``read_yaml`` does, also for a base that does not exist or that leads back to the file.

    Args:
        file: the file.
        derived: the files whose bases led here.
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
    target = file.parent / base
    if not target.is_file():
        raise GanzooError(f"{document.place(('base',))}: no such recipe: {target}")
    return merge(read_with_base(target, (*derived, real)), document)


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """Return a document with ``key.path=value`` overrides merged in. Values are read as YAML."""
    for text in overrides:
        key, equals, value = text.partition("=")
        keys = tuple(key.split("."))
        if not equals or not all(keys):
            raise GanzooError(f"command line: {text!r} is not of the form key.path=value")
        place = f"command line: {text}"
        builder = _Builder(lambda line, place=place: place)  # type: ignore[misc]
        try:
            data = builder.read(value)
        except (yaml.YAMLError, RecursionError):
            raise GanzooError(f"command line: the value of {text!r} is not YAML; put it in quotes") from None
        for part in reversed(keys):
            data = {part: data}
        places: dict[KeyPath, str] = {keys[:depth]: place for depth in range(1, len(keys) + 1)}
        places |= {(*keys, *path): place for path in builder.places}
        document = merge(document, Document(data, {**places, (): document.place(())}))
    return document


def merge(base: Document, over: Document) -> Document:
    """Return a document with another merged over it.

    Mappings are merged key by key, except that a mapping that names another component replaces the whole old one.
    """
    places = dict(base.places)
    data = _merge(base.data, over.data, (), places, over.places)
    places[()] = over.places[()]
    return Document(data, places)


def _merge(base: Any, over: Any, path: KeyPath, places: dict[KeyPath, str], new: dict[KeyPath, str]) -> Any:
    """Return ``over`` merged over ``base``, both at ``path``; update ``places`` with those of ``over``, ``new``."""
    component = _holds_component(path)
    if component and isinstance(base, str) and isinstance(over, dict) and not set(KINDS) & set(over):
        base = {NAME: base}
    mappings = isinstance(base, dict) and isinstance(over, dict)
    if mappings and not (component and names_another_component(base, over)):
        merged = {key: value for key, value in base.items() if not _is_replaced(path, key, over)}
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


def _is_replaced(path: KeyPath, key: str, over: Mapping[str, Any]) -> bool:
    """Return whether the key is a run's length in one unit (epochs or steps), and ``over`` sets it in the other."""
    lengths = {"epochs", "steps"}
    return path == ("train",) and key in lengths and key not in over and bool(lengths & set(over))


def _holds_component(path: KeyPath) -> bool:
    """Return whether a component stands at this path of a recipe."""
    return path in {("method",), ("data",)} or (len(path) == 2 and path[0] in ("networks", "maskers", "losses"))


def names_another_component(base: dict[str, Any], over: dict[str, Any]) -> bool:
    """Return whether both name a component of one kind, but different ones: then options are not inherited."""
    named = [(base[kind], over[kind]) for kind in KINDS if kind in base and kind in over]
    return any(isinstance(old, str) and isinstance(new, str) and old != new for old, new in named)


def sort_key(problem: str) -> tuple[str, int]:
    """Return a key that sorts ``file:line: …`` by file and line number; problems without a line number come last."""
    match = re.match(r"(.*?):(\d+): ", problem)
    return (match[1], int(match[2])) if match else ("\uffff", 0)
