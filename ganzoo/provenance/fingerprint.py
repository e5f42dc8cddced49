"""Short checksums of what a figure follows from: a recipe, the code of plugins, the images, the weights."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from ganzoo.interfaces import Dataset, Split
from ganzoo.plugins import installed_version, plugins
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.settings import RESUMABLE

LENGTH = 16
"""Hexadecimal digits that are kept."""
SHAPES_FIGURES = {"train.epochs", "train.steps"}
"""What may change when a run is resumed, and yet changes what comes out."""


_PARSING = Lock()
"""Python 3.11 may fail where two threads make syntax trees at once (its issue 106905)."""
CHOOSES = {"evaluate.best", "evaluate.patience", "evaluate.every", "evaluate.limit"}
"""What counts for which checkpoint is the best, and for when a training that waits for a better one ends."""


def recipe_key(recipe: Recipe) -> str:
    """Return the checksum of all in a recipe that shapes figures: not its seed, nor what only logs and saves.

    Of files and folders the names count, so that the same recipe has the same key on another machine.
    """
    resolved = portable(recipe.resolved())
    left_out = {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys} - SHAPES_FIGURES
    if recipe.evaluate.best:
        left_out -= CHOOSES
    for path in [*left_out, "train.seed"]:
        section, key = path.split(".")
        resolved[section].pop(key, None)
    return _short(json.dumps(resolved, sort_keys=True))


def portable(value: Any) -> Any:
    """Return plain data with the names of files and folders in place of where one machine has them.

    >>> portable({"weights": "/somewhere/net.pth", "styles": [8]})
    {'weights': 'net.pth', 'styles': [8]}
    """
    if isinstance(value, Mapping):
        return {name: portable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [portable(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def plugins_of(recipe: Recipe, others: Iterable[Part] = ()) -> dict[str, dict[str, str]]:
    """Return the plugins that a recipe's parts, and others, come from: name → version, and checksum of their code."""
    parts: list[Part] = [recipe.method, recipe.data, *recipe.metrics, *others]
    for group in (recipe.networks, recipe.maskers, recipe.losses):
        parts += group.values()
    modules: dict[str, set[str]] = {}
    for part in parts:
        modules.setdefault(part.component.plugin, set()).add(part.component.load().__module__)
    versions = {one.name: one.version for one in plugins().loaded}
    return {name: {"version": versions[name], "code": code_key(*sorted(modules[name]))} for name in sorted(modules)}


def note_code(recipe: Recipe) -> None:
    """Take the checksums of ganzoo's and a recipe's code now, when it is read, as files may change while it runs."""
    core_key()
    plugins_of(recipe)


@cache
def code_key(*modules: str) -> str:
    """Return the checksum of modules and of all that they import of plugins, without comments and docstrings."""
    digest = hashlib.sha256()
    for name, tree in sorted(_reached(modules).items()):
        digest.update(f"{name} {_plain(tree)}\n".encode())
    return digest.hexdigest()[:LENGTH]


@cache
def core_key() -> str:
    """Return the checksum of ganzoo's own code, likewise."""
    top = Path(__file__).parent
    digest = hashlib.sha256()
    for file in sorted(top.rglob("*.py")):
        tree = _parsed(file)
        digest.update(f"{file.relative_to(top).as_posix()} {_plain(tree)}\n".encode())
    return digest.hexdigest()[:LENGTH]


def core_version() -> str:
    """Return ganzoo's version, and the checksum of its code."""
    return f"{installed_version()} {core_key()}"


def _reached(modules: Iterable[str]) -> dict[str, ast.Module]:
    """Return some modules, and those that they import, directly or not, as far as they are plugins'."""
    packages = {one.target.partition(":")[0].partition(".")[0] for one in plugins().loaded}
    found: dict[str, ast.Module] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        file = None if name in found else _file_of(name)
        if file is None:
            continue
        found[name] = tree = _parsed(file)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        todo += [one for one in _imported(tree, package) if one.partition(".")[0] in packages]
    return found


def _parsed(file: Path) -> ast.Module:
    with _PARSING:
        return ast.parse(file.read_text(encoding="utf-8"))


def _file_of(module: str) -> Path | None:
    """Return the file of a module; None where the name is no module's, but of something in one."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _imported(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield the names of modules that a module of a package may import."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{one.name}" for one in node.names)


def _plain(node: Any) -> str:
    """Return a syntax tree as text, the same under all versions of Python that parse it."""
    if isinstance(node, ast.AST):
        inner = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node) is not None
        ):
            inner = [(name, value[1:] if name == "body" else value) for name, value in inner]
        return f"{type(node).__name__}({', '.join(f'{name}={_plain(value)}' for name, value in inner)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_plain, node))}]"
    return repr(node)


def data_key(dataset: Dataset, split: Split) -> str:
    """Return the checksum of a split's images, masks and labels, whatever their order and names.

    Of images that are drawn it is of what they follow from; their code has a checksum of its own, as a plugin.
    """
    if dataset.version:
        return _short(f"{dataset.version}, {split}")

    def of(item: tuple[str, int]) -> str:
        sample = dataset.sample(split, *item)
        planes = (sample.image, sample.mask, sample.labels, sample.target)
        digest = hashlib.sha256(item[0].encode())
        for plane in planes:
            digest.update(b"-" if plane is None else str(plane.shape).encode() + plane.tobytes())
        return digest.hexdigest()

    with ThreadPoolExecutor() as pool:
        return _short(" ".join(sorted(pool.map(of, _items(dataset, split)))))


def _items(dataset: Dataset, split: Split) -> Iterator[tuple[str, int]]:
    for domain in dataset.channels:
        for index in range(dataset.count(split, domain)):
            yield domain, index


def weights_key(checkpoint: Path) -> str:
    """Return the checksum of a checkpoint's networks and their averages."""
    digest = hashlib.sha256()
    for file in sorted([*checkpoint.glob("networks/*.safetensors"), *checkpoint.glob("average/*.safetensors")]):
        digest.update(file.relative_to(checkpoint).as_posix().encode())
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:LENGTH]


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
