"""Find the mistakes of a recipe that show without torch: in the YAML, in names, settings, files and folders.

``ganzoo run`` and ``check`` do this first, since importing torch alone takes seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ganzoo.errors import ComponentError, GanzooError, MissingResourceError, suggest
from ganzoo.plugins import plugins
from ganzoo.recipe.missing_files import check_data, check_start, missing_weights
from ganzoo.recipe.needs import Need, paths_in, read_needs
from ganzoo.recipe.networks import normalize_component
from ganzoo.recipe.options import Problem, check_options
from ganzoo.recipe.yaml_document import Document, KeyPath, apply_overrides, merge, read_with_base, sort_key
from ganzoo.registry import Component
from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings
from ganzoo.utils.paths import expand_path

SECTIONS = ("method", "networks", "maskers", "losses", "data", "images", "train", "evaluate")
SETTINGS: dict[str, tuple[type[Any], tuple[str, ...]]] = {
    "images": (ImageSettings, ()),
    "train": (TrainSettings, ()),
    "evaluate": (EvaluateSettings, ("metrics",)),
}
"""Section → the class of its settings, and its keys that are none."""


def read_document(file: Path, overrides: Iterable[str] = (), *, demo: bool = False) -> tuple[Document, list[Need]]:
    """Return a recipe's content, merged with its bases and overrides, and what it needs; see ``read_needs``.

    With ``demo``, the recipe's section ``demo`` is merged over it, before the overrides. Both sections are left out.

    Raises GanzooError if a file cannot be read, an override or ``needs`` is wrong or without effect, or there is no
    ``demo``.
    """
    overrides = tuple(overrides)
    document = read_with_base(file)
    if demo:
        document = merge(document, document.part("demo"))
    document = apply_overrides(document, overrides)
    needs = read_needs(document)
    _refuse_without_effect(document, overrides)
    for section in ("demo", "needs"):
        document.data.pop(section, None)
    return document, needs


def _refuse_without_effect(document: Document, overrides: Iterable[str]) -> None:
    """Raise GanzooError for an override of ``demo``, or of a need that the recipe does not use."""
    for text in overrides:
        section, *keys = text.partition("=")[0].split(".")
        if section == "demo":
            own = text.removeprefix("demo.") if keys else "train.steps=7"
            raise GanzooError(
                f"command line: {text!r} has no effect: the section demo is merged before overrides; with --demo, "
                f"override the key itself: {own}"
            )
        if section == "needs" and keys and Path(keys[0]) not in (used := paths_in(document)):
            known = [path for path in document.part("needs").data if Path(path) in used]
            raise GanzooError(
                f"command line: {text!r} has no effect: no value of the recipe is the folder {keys[0]!r}"
                f"{suggest(keys[0], known)}; name one that is needed, or leave it out"
            )


def check_quickly(file: Path, overrides: Iterable[str] = (), *, demo: bool = False, starts: bool = True) -> None:
    """Raise GanzooError with each mistake that shows without importing torch; ``read_recipe`` finds all others.

    If there are none, images, files of weights and a run to start from that are not there are errors, unless the recipe
    makes them first (``needs``).

    Args:
        file: the YAML file.
        overrides: changes of the recipe, each ``key.path=value``.
        demo: whether the recipe's section ``demo`` is merged over it.
        starts: whether ``train.start`` is used: not by a run that is resumed.
    """
    document, needs = read_document(file, overrides, demo=demo)
    problems = [*unknown_sections(document), *_wrong_settings(document), *_unknown_components(document)]
    if not problems:
        problems += _missing_weights(document, made := {need.path for need in needs})
    if problems:
        raise document_error(document, problems)
    start = _mapping(document, "train").get("start")
    if starts and isinstance(start, str) and Path(start) not in made:
        check_start(expand_path(Path(start)))
    for path, component, options in _found_components(document):
        if path == ("data",) and not any(_is_in(made, option) for option in options.values()):
            check_data(component, options)


def unknown_sections(document: Document) -> list[Problem]:
    """Return a problem for each key that is no section of a recipe."""
    unknown = [key for key in document.data if key not in SECTIONS]
    return [Problem((key,), f"unknown key {key!r}{suggest(key, SECTIONS)}") for key in unknown]


def _wrong_settings(document: Document) -> Iterator[Problem]:
    for name, (settings, ignored) in SETTINGS.items():
        section = document.data.get(name)
        if isinstance(section, dict):
            values = {key: value for key, value in section.items() if key not in ignored}
            yield from check_options(settings, values, (name,), also_known=ignored)[1]


def _unknown_components(document: Document) -> Iterator[Problem]:
    registry = plugins().registry
    for path, kind, value in _components(document):
        name = normalize_component(value, kind)
        name = name.get(kind) if isinstance(name, dict) else None
        if isinstance(name, str):
            try:
                registry.get(kind, name)
            except GanzooError as error:
                yield Problem((*path, kind), str(error), isinstance(error, MissingResourceError))


def _missing_weights(document: Document, made: Collection[Path]) -> Iterator[Problem]:
    for path, component, options in _found_components(document):
        if not _is_in(made, options.get("weights")) and component.kind != "dataset":
            yield from missing_weights(path, component, options)


def _is_in(made: Collection[Path], option: Any) -> bool:
    """Return whether an option, as the recipe writes it, is the path of one of the folders that are made first."""
    return isinstance(option, str) and Path(option) in made


def _found_components(document: Document) -> Iterator[tuple[KeyPath, Component, dict[str, Any]]]:
    """Yield path, component and options of each component that ``_components`` yields, all of known names."""
    for path, kind, value in _components(document):
        options = normalize_component(value, kind)
        if isinstance(options, dict) and isinstance(options.get(kind), str):
            component = plugins().registry.get(kind, options[kind])
            yield path, component, {key: option for key, option in options.items() if key != kind}


def _components(document: Document) -> Iterator[tuple[KeyPath, str, Any]]:
    """Yield path, kind and value of each component whose kind the document shows."""
    for section, kind in (("method", "method"), ("data", "dataset")):
        yield (section,), kind, document.data.get(section)
    for section, kind in (("maskers", "masker"), ("losses", "loss")):
        for name, value in _mapping(document, section).items():
            yield (section, name), kind, value
    metrics = _mapping(document, "evaluate").get("metrics")
    for i, value in enumerate(metrics if isinstance(metrics, list) else ()):
        yield ("evaluate", "metrics", i), "metric", value
    for name, value in _mapping(document, "networks").items():
        for kind in ("generator", "discriminator"):
            if isinstance(value, dict) and kind in value:
                yield ("networks", name), kind, value


def _mapping(document: Document, section: str) -> dict[str, Any]:
    """Return a section, or an empty one if there is none or it is no mapping."""
    value = document.data.get(section)
    return value if isinstance(value, dict) else {}


def document_error(document: Document, problems: Collection[Problem]) -> GanzooError:
    """Return the error with a line for each problem, ``file:line: path: message``, in the order of the places."""
    lines = [
        f"{document.place(problem.path)}: {'.'.join(map(str, problem.path)) or 'recipe'}: {problem.message}"
        for problem in problems
    ]
    return recipe_error(sorted(dict.fromkeys(lines), key=sort_key), problems)


def recipe_error(lines: Iterable[str], problems: Collection[Problem]) -> GanzooError:
    """Return the error with these lines; of a class of its own if all problems are ``missing``, or ``of_author``."""
    text = "\n".join(lines)
    if problems and all(one.missing for one in problems):
        return MissingResourceError(text)
    return ComponentError(text) if problems and all(one.of_author for one in problems) else GanzooError(text)
