"""Compute checksums, for sessions and records, of what metric values depend on: recipe, code and weights."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import json
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from ganzoo.plugins import installed_version, plugins
from ganzoo.recipe.published import read_config
from ganzoo.recipe.schema import Part, Recipe
from ganzoo.settings import RESUMABLE
from ganzoo.weights.hub import is_published

LENGTH = 16
"""Number of hexadecimal digits of a checksum, which are the first ones of a SHA-256."""
AFFECTS_VALUES = {"train.epochs", "train.steps"}
"""Settings that may change when a run is resumed but affect metric values."""
AFFECTS_BEST = {"evaluate.best", "evaluate.patience", "evaluate.every", "evaluate.limit"}
"""Settings that, if ``evaluate.best`` is set, affect which checkpoint is the best and when training stops early."""
_PARSING = Lock()
"""Lock for parsing: Python 3.11 may fail if two threads build syntax trees at the same time (CPython issue 106905)."""


def recipe_key(recipe: Recipe) -> str:
    """Return the checksum of the settings that affect metric values.

    The seed does not count, nor do the metrics and the settings of logging, saving and reading. Settings of evaluations
    count only if ``evaluate.best`` is set. Absolute paths count by their last part only, so the same recipe has the
    same checksum on another machine.
    """
    resolved = portable(recipe.resolved())
    ignored = {f"{section}.{key}" for section, keys in RESUMABLE.items() for key in keys} - AFFECTS_VALUES
    if recipe.evaluate.best:
        ignored -= AFFECTS_BEST
    for path in [*ignored, "train.seed"]:
        section, key = path.split(".")
        resolved[section].pop(key, None)
    return checksum(json.dumps(resolved, sort_keys=True))


def portable(value: Any) -> Any:
    """Return plain data in which each string that is an absolute path is replaced by the path's last part.

    Relative paths and other values stay as they are; tuples become lists.

    >>> portable({"weights": "/somewhere/net.pth", "styles": [8]})
    {'weights': 'net.pth', 'styles': [8]}
    """
    if isinstance(value, Mapping):
        return {name: portable(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [portable(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def plugins_of(recipe: Recipe, others: Iterable[Part] = ()) -> dict[str, dict[str, str]]:
    """Return the plugins of a recipe's parts and of ``others``, and of the components inside them.

    Returns:
        Name of a plugin → ``{"version": …, "code": …}``, in which ``code`` is the checksum of the modules in use.
    """
    parts: list[Part] = [recipe.method, recipe.data, *recipe.metrics, *others]
    for group in (recipe.networks, recipe.maskers, recipe.losses):
        parts += group.values()
    modules: dict[str, set[str]] = {}
    for part in parts:
        for one in (part, *part.inner()):
            modules.setdefault(one.component.plugin, set()).add(one.component.load().__module__)
    versions = {one.name: one.version for one in plugins().loaded}
    return {name: {"version": versions[name], "code": code_key(*sorted(modules[name]))} for name in sorted(modules)}


def cache_code_checksums(recipe: Recipe) -> None:
    """Compute and cache the checksums of ganzoo's and a recipe's code: the files may change later, during training."""
    core_key()
    plugins_of(recipe)


@cache
def code_key(*modules: str) -> str:
    """Return the checksum of modules and of the plugins' modules that they import, directly or not.

    Comments, docstrings and strings that document attributes do not count. The result is cached.
    """
    digest = hashlib.sha256()
    for name, tree in sorted(_with_imports(modules).items()):
        digest.update(f"{name} {_syntax_text(tree)}\n".encode())
    return digest.hexdigest()[:LENGTH]


@cache
def core_key() -> str:
    """Return the checksum of the Python files of the package ``ganzoo``, without the plugins. The result is cached.

    Unlike in ``code_key``, comments count: to parse all these files would take a second of each run's start.
    """
    top = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(top.rglob("*.py")):
        digest.update(f"{file.relative_to(top).as_posix()}\n{_read(file)}\n".encode())
    return digest.hexdigest()[:LENGTH]


def core_version() -> str:
    """Return ganzoo's version and the checksum of its code, separated by a space."""
    return f"{installed_version()} {core_key()}"


def _with_imports(modules: Iterable[str]) -> dict[str, ast.Module]:
    """Return name → syntax tree of modules and of the plugins' modules that they import, directly or not."""
    packages = {one.target.partition(":")[0].partition(".")[0] for one in plugins().loaded}
    trees: dict[str, ast.Module] = {}
    pending = list(modules)
    while pending:
        name = pending.pop()
        file = None if name in trees else _file_of(name)
        if file is None:
            continue
        trees[name] = tree = _parse(file)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        pending += [one for one in _import_names(tree, package) if one.partition(".")[0] in packages]
    return trees


def _read(file: Path) -> str:
    """Return a file's text, with the same line ends on all systems."""
    return file.read_text(encoding="utf-8")


def _parse(file: Path) -> ast.Module:
    text = _read(file)
    with _PARSING:
        return ast.parse(text)


def _file_of(module: str) -> Path | None:
    """Return a module's Python file; None if there is none, or if the name is not a module but, say, a class."""
    try:
        spec = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


def _import_names(tree: ast.Module, package: str) -> Iterator[str]:
    """Yield all names in a module's imports that may be modules; relative ones are resolved from ``package``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{one.name}" for one in node.names)


def _syntax_text(node: Any) -> str:
    """Return a syntax tree without docstrings as text, the same in all versions of Python that can parse it.

    Strings that stand alone as statements describe modules, classes, functions or attributes; all are left out.
    """
    if isinstance(node, ast.AST):
        fields = [(name, value) for name, value in ast.iter_fields(node) if value not in (None, [])]
        return f"{type(node).__name__}({', '.join(f'{name}={_syntax_text(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{', '.join(_syntax_text(one) for one in node if not _is_text(one))}]"
    return repr(node)


def _is_text(node: Any) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def weights_key(checkpoint: Path) -> str:
    """Return the checksum of the files of a checkpoint's networks and of their moving averages."""
    digest = hashlib.sha256()
    for file in sorted([*checkpoint.glob("networks/*.safetensors"), *checkpoint.glob("average/*.safetensors")]):
        digest.update(file.relative_to(checkpoint).as_posix().encode())
        with file.open("rb") as opened:
            while block := opened.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()[:LENGTH]


def recorded_weights_key(checkpoint: Path) -> str:
    """Return the checksum of a checkpoint's networks that its records have: of a published one, that of its run's.

    A published folder lacks some of them. Raises DamagedError if its config.json is damaged.
    """
    folder = checkpoint.parents[1]
    return read_config(folder).weights if is_published(folder) else weights_key(checkpoint)


def checksum(text: str) -> str:
    """Return the checksum of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:LENGTH]
