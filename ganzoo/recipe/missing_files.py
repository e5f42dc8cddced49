"""Find files and folders that a recipe names and that are missing, without importing torch; ``quick_check`` uses it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.recipe.options import Problem, accepts_path, check_options, options_of
from ganzoo.recipe.schema import Part
from ganzoo.registry import Component
from ganzoo.utils.paths import expand_path
from ganzoo.weights.store import missing_file


def missing_weights(path: tuple[str | int, ...], component: Component, options: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if a component's option ``weights`` names a file that does not exist.

    Args:
        path: the component's place in the recipe.
        component: the component.
        options: its options, as the recipe writes them.
    """
    for name, file in named_paths(component, options).items():
        if name == "weights" and not file.exists():
            yield Problem((*path, name), str(missing_file(file)), missing=True)


def check_data(component: Component, options: Mapping[str, Any]) -> None:
    """Raise the data set's own error if an option names a file or folder that is missing, or a folder without images.

    The data set is built for it; otherwise it is not imported.
    """
    if any(map(_is_missing_or_empty, named_paths(component, options).values())):
        checked, problems = check_options(component.load(), options)
        if not problems:
            Part(component, checked).make(place="data")


def no_start(start: Path) -> MissingResourceError:
    """Return the error for a setting ``train.start`` that names no run and no checkpoint."""
    return MissingResourceError(f"train.start: {start}: no run, and no checkpoint of one (RUN/checkpoints/NAME)")


def check_start(start: Path) -> None:
    """Raise MissingResourceError if there is nothing where ``train.start`` points to."""
    if not start.exists() and not (start.parent.name == "checkpoints" and start.parent.is_dir()):
        raise no_start(start)


def named_paths(component: Component, options: Mapping[str, Any]) -> dict[str, Path]:
    """Return the options of a component that name files or folders, with ``~`` and variables filled in."""
    texts = {name: value for name, value in options.items() if isinstance(value, str)}
    return {name: expand_path(Path(texts[name])) for name in _path_options(component) if name in texts}


def _path_options(component: Component) -> Iterable[str]:
    """Return the names of a component's options whose type is a path or contains one.

    A class that is not imported yet stays so: its source is read. One that inherits its constructor has none then.
    """
    if isinstance(component.target, type):
        return [name for name, option in options_of(component.target).items() if accepts_path(option.type)]
    module, _, name = component.target.partition(":")
    try:
        spec = find_spec(module)
        tree = ast.parse(Path(str(spec and spec.origin)).read_bytes())
    except (ImportError, OSError, SyntaxError, ValueError):  # the full check reports it
        return []
    return [
        argument.arg
        for one in tree.body
        if isinstance(one, ast.ClassDef) and one.name == name
        for function in one.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for argument in function.args.kwonlyargs
        if argument.annotation and any(_is_path(node) for node in ast.walk(argument.annotation))
    ]


def _is_path(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "Path"


def _is_missing_or_empty(path: Path) -> bool:
    if not path.exists():
        return True
    from ganzoo.data.image_files import has_images  # imports Pillow

    try:
        return path.is_dir() and not has_images(path)
    except (GanzooError, OSError):
        return True
