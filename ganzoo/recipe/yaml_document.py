"""Read YAML by safe loading only, and remember the file and line of every key."""

from __future__ import annotations

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
"""Under this key a component that was named by a bare text keeps its name when options are laid over it."""


@dataclass
class Document:
    """Plain data, and for every path of keys the place that set it (``recipes/sm.yaml:12``)."""

    data: dict[str, Any]
    places: dict[KeyPath, str]

    def place(self, path: KeyPath) -> str:
        """Return the place of a path, or of the nearest mapping around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places[path]


def read_yaml(file: Path) -> Document:
    """Read one file. Raises GanzooError with file:line when it cannot be read or is no mapping."""
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
        said = getattr(error, "problem", None) or getattr(error, "reason", None) or "cannot be parsed"
        raise GanzooError(f"{file}{line}: not YAML: {said}") from None
    except RecursionError:
        raise GanzooError(f"{file}: nested too deeply") from None
    if data is None:
        raise GanzooError(f"{file}: empty; a recipe names at least a method and data")
    if not isinstance(data, dict):
        raise GanzooError(f"{file}:1: a recipe is a mapping of keys to values, such as 'method: {{method: cyclegan}}'")
    return Document(data, {**builder.places, (): f"{file}:1"})


class _Builder:
    """Turns YAML's nodes into plain data; ``where`` gives the place of a line."""

    PLAIN = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")

    def __init__(self, where: Callable[[int], str]) -> None:
        self.where = where
        self.places: dict[KeyPath, str] = {}
        self.open: list[yaml.Node] = []
        self.flat: list[yaml.Node] = []

    def read(self, text: str) -> Any:
        self.loader = yaml.SafeLoader(text)
        node = self.loader.get_single_node()
        return None if node is None else self.build(node, ())

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        place = self.where(node.start_mark.line + 1)
        self.places.setdefault(path, place)
        if isinstance(node, yaml.ScalarNode):
            return self.scalar(node)
        if node.tag not in self.PLAIN:
            raise GanzooError(f"{place}: the tag {node.tag!r} is refused; a recipe is plain data")
        if any(node is one for one in self.open):
            raise GanzooError(f"{place}: this part contains itself")
        self.open.append(node)
        try:
            if not isinstance(node, yaml.MappingNode):
                return [self.build(one, (*path, i)) for i, one in enumerate(node.value)]
            found: dict[str, Any] = {}
            for key, place, value in self.pairs(node):
                self.places[(*path, key)] = place
                found[key] = self.build(value, (*path, key))
            return found
        finally:
            self.open.pop()

    def pairs(self, node: yaml.MappingNode) -> Iterator[tuple[str, str, yaml.Node]]:
        """Yield key, place and value; what ``<<`` merges in comes first, so that the mapping's own keys replace it."""
        if not any(node is one for one in self.flat):
            self.flat.append(node)
            first: dict[str, str] = {}
            for key_node, _ in node.value:
                key, place = self.scalar(key_node), self.where(key_node.start_mark.line + 1)
                if key in first:
                    raise GanzooError(f"{place}: the key {key!r} stands here a second time (first: {first[key]})")
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
            raise GanzooError(f"{place}: a key is a word, not a list or a mapping")
        try:
            return "<<" if node.tag == "tag:yaml.org,2002:merge" else self.loader.construct_object(node)
        except ValueError as error:  # a thirteenth month, a number without digits
            raise GanzooError(f"{place}: {node.value!r} cannot be read ({error}); put it in quotes") from None


def read_with_base(file: Path, above: tuple[Path, ...] = ()) -> Document:
    """Read a file and, under it, the file that its ``base`` names (relative to it)."""
    if file.resolve() in above:
        chain = " → ".join(one.name for one in (*above, file))
        raise GanzooError(f"{file}: its base leads back to itself: {chain}")
    document = read_yaml(file)
    base = document.data.pop("base", None)
    if base is None:
        return document
    if not isinstance(base, str):
        raise GanzooError(f"{document.place(('base',))}: base is {base!r}; it is the path of another recipe")
    target = file.parent / base
    if not target.is_file():
        raise GanzooError(f"{document.place(('base',))}: no such recipe: {target}")
    return merge(read_with_base(target, (*above, file.resolve())), document)


def apply_overrides(document: Document, overrides: Iterable[str]) -> Document:
    """Lay ``key.path=value`` texts over a document; values are read as YAML."""
    for text in overrides:
        key, equals, value = text.partition("=")
        keys = tuple(key.split("."))
        if not equals or not all(keys):
            raise GanzooError(f"command line: {text!r} is not of the form key.path=value")
        place = f"command line: {text}"
        builder = _Builder(lambda line, place=place: place)  # type: ignore[misc]
        try:
            data = builder.read(value)
        except yaml.YAMLError:
            raise GanzooError(f"command line: the value of {text!r} is not YAML; put it in quotes") from None
        for one in reversed(keys):
            data = {one: data}
        places: dict[KeyPath, str] = {keys[:depth]: place for depth in range(1, len(keys) + 1)}
        places |= {(*keys, *path): place for path in builder.places}
        document = merge(document, Document(data, {**places, (): document.place(())}))
    return document


def merge(base: Document, over: Document) -> Document:
    """Lay one document over another: mappings are merged, but a mapping that names another component replaces."""
    places = dict(base.places)
    data = _merge(base.data, over.data, (), places, over.places)
    places[()] = over.places[()]
    return Document(data, places)


def _merge(base: Any, over: Any, path: KeyPath, places: dict[KeyPath, str], new: dict[KeyPath, str]) -> Any:
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
                places.update({one: place for one, place in new.items() if one[: len(here)] == here})
        return merged
    for one in [one for one in places if one[: len(path)] == path]:
        del places[one]
    places.update({one: place for one, place in new.items() if one[: len(path)] == path})
    return over


def _is_replaced(path: KeyPath, key: str, over: Mapping[str, Any]) -> bool:
    """Return whether a run's length, given as epochs or as steps, is given anew in the other unit."""
    lengths = {"epochs", "steps"}
    return path == ("train",) and key in lengths and key not in over and bool(lengths & set(over))


def _holds_component(path: KeyPath) -> bool:
    return path in {("method",), ("data",)} or (len(path) == 2 and path[0] in ("networks", "maskers", "losses"))


def names_another_component(base: dict[str, Any], over: dict[str, Any]) -> bool:
    """Return whether both name a component of one kind, and not the same: then no option carries over."""
    named = [(base[kind], over[kind]) for kind in KINDS if kind in base and kind in over]
    return any(isinstance(one, str) and isinstance(other, str) and one != other for one, other in named)


def sort_key(problem: str) -> tuple[str, int]:
    """Sort ``file:line: …`` as a reader goes through the file; what has no line number stands last."""
    found = re.match(r"(.*?):(\d+): ", problem)
    return (found[1], int(found[2])) if found else ("\uffff", 0)
