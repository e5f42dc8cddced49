"""Check a component and its options (its constructor's keyword-only parameters) against their types, with pydantic."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cache, partial
from pathlib import Path
from typing import Any, get_args, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from ganzoo.errors import ComponentError, GanzooError, MissingResourceError, one_line, suggest
from ganzoo.interfaces.inner import InnerKind
from ganzoo.plugins import plugins
from ganzoo.recipe.networks import normalize_component
from ganzoo.recipe.schema import Part
from ganzoo.recipe.type_text import type_text
from ganzoo.registry import KINDS, Component, Registry
from ganzoo.utils.paths import expand_paths
from ganzoo.utils.terminal import print_note

MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One option of a component: its name, its type hint, and its default, ``MISSING`` if a recipe must set it."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether a recipe must set the option."""
        return self.default is MISSING

    @property
    def type_text(self) -> str:
        """The type as a text for readers, such as ``int ≥ 1`` or ``'lsgan' | 'hinge'``."""
        return type_text(self.type)


@dataclass(frozen=True)
class Problem:
    """A mistake in a recipe.

    Args:
        path: the keys that lead to the mistake; it is printed with the file and line of this path.
        message: a description of the mistake.
        missing: whether the only mistake is that this machine lacks something, such as weights.
        of_author: whether it is a mistake in a component's code and not in the recipe.
    """

    path: tuple[str | int, ...]
    message: str
    missing: bool = False
    of_author: bool = False

    @classmethod
    def of(cls, path: tuple[str | int, ...], error: str | GanzooError) -> Problem:
        """Return the problem with this path for a message, or for the error that describes it."""
        return cls(path, str(error), isinstance(error, MissingResourceError), isinstance(error, ComponentError))


def options_of(target: Callable[..., Any]) -> dict[str, Option]:
    """Return the options of a class or function by name: its keyword-only parameters.

    Raises GanzooError if its type hints cannot be resolved.

    >>> def resnet(in_channels: int, *, width: int = 64): ...
    >>> options_of(resnet)["width"].default
    64
    """
    function = target.__init__ if isinstance(target, type) else target  # type: ignore[misc]
    try:
        hints = get_type_hints(function, include_extras=True)
    except Exception as error:  # a name imported only for type checkers, say
        raise GanzooError(f"the type hints of {_name(target)} cannot be resolved: {one_line(error)}") from error
    return {
        name: Option(name, hints.get(name, Any), parameter.default)
        for name, parameter in inspect.signature(target).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def accepts_path(hint: Any) -> bool:
    """Return whether an option of a type may name a file or folder.

    >>> [accepts_path(hint) for hint in (Path, Path | None, tuple[Path, ...], int)]
    [True, True, True, False]
    """
    return hint is Path or any(map(accepts_path, get_args(hint)))


def inner_kinds(hint: Any) -> list[str]:
    """Return the kinds of the components that an option of a type may contain.

    >>> from ganzoo.interfaces import InnerMasker
    >>> inner_kinds(tuple[InnerMasker, ...] | None)
    ['masker']
    """
    found = [one.kind for one in getattr(hint, "__metadata__", ()) if isinstance(one, InnerKind)]
    return found + [kind for one in get_args(hint) for kind in inner_kinds(one)]


def check_options(
    target: Callable[..., Any],
    values: Mapping[str, Any],
    path: tuple[str | int, ...] = (),
    also_known: Iterable[str] = (),
    registry: Registry | None = None,
) -> tuple[dict[str, Any], list[Problem]]:
    """Check values of a target's options; return option → coerced value or default, and a list of the mistakes.

    An option with a mistake is left out. ``~`` and variables in paths are expanded, also in lists, mappings and
    defaults. Raises GanzooError if the target's type hints cannot be used, which is a mistake of its author.

    Args:
        target: a class or function.
        values: option → value, as the recipe writes them.
        path: the place of ``values`` in the recipe.
        also_known: other keys that the recipe may have in this place; a message may suggest them for an unknown option.
        registry: the components that options may contain; None: no option contains one.
    """
    known = options_of(target)
    checked, problems = {}, []
    for name, value in values.items():
        if name not in known:
            problems.append(Problem((*path, name), f"unknown option {name!r}{suggest(name, [*known, *also_known])}"))
            continue
        try:
            checked[name] = expand_paths(_validate(known[name].type, value, registry))
        except PydanticUserError as error:
            raise GanzooError(f"the type of {name!r} of {_name(target)} cannot be checked: {_reason(error)}") from error
        except ValidationError as error:
            inner = [
                replace(problem, path=(*path, name, *_keys(details["loc"][1:], value), *problem.path))
                for details in error.errors()
                for problem in details.get("ctx", {}).get("problems", ())
            ]
            if inner:
                problems += inner
                continue
            messages: dict[tuple[str | int, ...], list[str]] = {}
            for details in _likely(error.errors()):
                messages.setdefault(_keys(details["loc"][1:], value), []).append(_explain(name, dict(details)))
            problems += [
                Problem((*path, name, *keys), _join_branches(branches))
                for keys, branches in messages.items()
                if not any(deeper[: len(keys)] == keys != deeper for deeper in messages)
            ]
    for name, option in known.items():
        if name not in values and option.required:
            problems.append(Problem(path, f"the option {name!r} ({option.type_text}) is missing"))
        elif name not in values:  # a mapping has no form that cannot be changed, so each component gets its own
            default = deepcopy(option.default) if isinstance(option.default, dict) else option.default
            checked[name] = expand_paths(default)
    return {name: checked[name] for name in known if name in checked}, problems


def find_component(registry: Registry, value: Any, path: tuple[str | int, ...], kind: str) -> Component | Problem:
    """Import and return the component that a mapping names, or the problem if that fails.

    Args:
        registry: the components.
        value: a mapping from its kind to its name that also has its options.
        path: the component's place in the recipe.
        kind: the component's kind, such as ``generator``.
    """
    if not isinstance(value, dict):
        return Problem(path, f"it is {value!r}; a {kind} must be a mapping: {{{kind}: NAME, option: value, …}}")
    if kind not in value:
        other_kinds = [other for other in KINDS if other in value]
        similar = [key for key in value if get_close_matches(str(key).lower(), [kind])]
        typo = f" (is {similar[0]!r} a typo?)" if similar else f": {{{kind}: NAME, …}}"
        hint = f"; it names a {other_kinds[0]}" if other_kinds else typo
        return Problem(path, f"the key {kind!r}, which names the component, is missing{hint}")
    name = value[kind]
    if not isinstance(name, str):
        return Problem((*path, kind), f"{kind} is {name!r}; it must be a name")
    try:
        component = registry.get(kind, name)
        component.load()
    except GanzooError as error:
        return Problem.of((*path, kind), error)
    if clash := registry.take_clash(component):
        print_note(str(clash))
    return component


def check_part(
    registry: Registry,
    component: Component,
    values: Mapping[str, Any],
    path: tuple[str | int, ...],
    kind_options: type[Any] | None = None,
) -> tuple[Part | None, list[Problem]]:
    """Check a component's options, and those of the components in them; return it, or None and the mistakes.

    Args:
        registry: the components that options may contain.
        component: the component.
        values: option → value, as the recipe writes them.
        path: the component's place in the recipe.
        kind_options: a dataclass of options that every component of this kind takes besides its own.
    """
    shared = [field.name for field in fields(kind_options)] if kind_options else []
    own = {name: value for name, value in values.items() if name not in shared}
    shared_checked: dict[str, Any] = {}
    problems: list[Problem] = []
    if kind_options:
        beside = {name: values[name] for name in shared if name in values}
        shared_checked, problems = check_options(kind_options, beside, path)
    checked, more_problems = check_options(component.load(), own, path, shared, registry)
    problems = [*problems, *more_problems]
    return (None if problems else Part(component, checked, shared_checked)), problems


def _read_inner(registry: Registry, kind: str, value: Any) -> Part:
    """Return the component that an option of another one names. Raises PydanticCustomError with its ``problems``."""
    value = normalize_component(value, kind)
    component = find_component(registry, value, (), kind)
    if isinstance(component, Problem):
        part, problems = None, [component]
    else:
        own = {key: one for key, one in value.items() if key != kind}
        try:
            part, problems = check_part(registry, component, own, (), _inner_options(kind))
        except GanzooError as error:  # its type hints cannot be resolved
            part, problems = None, [Problem.of((kind,), error)]
    if part is None:
        raise PydanticCustomError("inner_component", "the component has mistakes", {"problems": problems})
    return part


def _inner_options(kind: str) -> type[Any] | None:
    """Return the options besides its own that a component takes inside another one; None if there are none."""
    if kind != "masker":
        return None
    from ganzoo.masks.postprocess import MaskTransform  # imports torch

    return MaskTransform


def type_mistake(option: Option) -> str:
    """Return why no recipe could set an option of this type; empty if one could."""
    if unknown := [kind for kind in inner_kinds(option.type) if kind not in KINDS]:
        return f"there is no kind {unknown[0]!r}{suggest(unknown[0], KINDS)}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", UserWarning)  # pydantic warns of what is no type
            schema: Any = _adapter(option.type).core_schema
    except PydanticUserError as error:
        return _reason(error)
    except Exception as error:  # pydantic passes on the errors of what a hint contains
        return one_line(error)
    item = schema["items_schema"][0] if schema.get("type") == "tuple" else {}
    unwritable = item.get("type") in ("is-instance", "is-subclass", "callable")
    return f"no value in YAML is of the type {option.type_text}" if unwritable else ""


def default_mistake(option: Option) -> str:
    """Return why an option's default contradicts its type; empty if it does not. Numbers in texts are no numbers.

    >>> default_mistake(Option("size", int, "big"))
    "'big': input should be a valid integer"
    >>> default_mistake(Option("share", float | None, 1))
    ''
    """
    return value_mistake(option.default, option.type)


def value_mistake(value: Any, hint: Any) -> str:
    """Return why a value in Python code is not of a type; empty if it is. Nothing is coerced but int to float."""
    try:
        _adapter(hint).validate_python((_plain(value),), strict=True)
    except ValidationError as error:
        messages = dict.fromkeys(one["msg"][0].lower() + one["msg"][1:] for one in _likely(error.errors()))
        return f"{value!r}: {'; or: '.join(messages)}"
    return ""


def _plain(value: Any) -> Any:
    """Return a mapping as a dict, also within tuples: a strict check accepts no other class of mappings."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    return tuple(map(_plain, value)) if type(value) is tuple else value


def _reason(error: PydanticUserError) -> str:
    return one_line(error).partition(" For further information")[0]


def build(component: Component, *args: Any, **options: Any) -> Any:
    """Check a component's options, and return a new instance of the component.

    Raises GanzooError, with one line for each mistake in the options, or if the component cannot be imported.

    Args:
        component: the component.
        args: the values that ganzoo passes to this kind, such as numbers of channels.
        options: the component's options; an option that is not set has its default.
    """
    target = component.load()
    checked, problems = check_options(target, options, registry=plugins().registry)
    if problems:
        raise GanzooError("\n".join(f"{component.kind} {component.name!r}: {problem.message}" for problem in problems))
    return component.make(*args, **checked)


def _validate(hint: Any, value: Any, registry: Registry | None) -> Any:
    """Return a value coerced to a type; no boolean in it counts as a number. Raises ValidationError."""
    read = partial(_read_inner, registry) if registry else None
    coerced = _adapter(hint).validate_python((value,), context=read)[0]
    plain = _booleans_as_text(value, coerced)  # a text is not a number, so validating it fails
    return coerced if plain is value or plain == value else _adapter(hint).validate_python((plain,), context=read)[0]


def _booleans_as_text(value: Any, coerced: Any) -> Any:
    """Return a value in which each boolean that was coerced to a number, also in lists and mappings, is a text."""
    if isinstance(value, list | tuple) and isinstance(coerced, list | tuple) and len(value) == len(coerced):
        return (list if isinstance(value, list) else tuple)(map(_booleans_as_text, value, coerced))
    if isinstance(value, dict) and isinstance(coerced, dict):
        return {key: _booleans_as_text(one, coerced.get(key)) for key, one in value.items()}
    return str(value) if isinstance(value, bool) and type(coerced) in (int, float) else value


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(hint)
    except TypeError:  # unhashable hints, such as Literal of lists
        return _new_adapter(hint)


def _new_adapter(hint: Any) -> TypeAdapter[Any]:
    # In a tuple of one: a TypedDict by itself does not accept a config, and would ignore unknown keys.
    config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", allow_inf_nan=False)
    return TypeAdapter(tuple[hint], config=config)


_cached_adapter = cache(_new_adapter)


def _likely(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return pydantic's errors without those that a word is no mapping, if it is like one of the words that may be."""
    words = [one for one in errors if one["type"] == "literal_error" and isinstance(one["input"], str)]
    return [one for one in errors if not (words and one["type"] == "dict_type" and isinstance(one["input"], str))]


def _keys(location: tuple[int | str, ...], value: Any) -> tuple[int | str, ...]:
    """Return the keys and indices of the user's value that lead to an error, from pydantic's location of the error."""
    keys: list[int | str] = []
    for step in location:
        if (isinstance(value, Mapping) and step in value) or (
            isinstance(value, list) and isinstance(step, int) and step < len(value)
        ):
            keys.append(step)
            value = value[step]  # type: ignore[index]
    return tuple(keys)


def _explain(name: str, error: dict[str, Any]) -> str:
    """Return the message for one of pydantic's errors about an option."""
    value, last = error["input"], error["loc"][-1] if error["loc"] else ""
    choices = error.get("ctx", {}).get("expected", "").replace(" or ", ", ").replace("'", "").split(", ")
    if last == "[key]":
        return f"{name} has no key {value!r}{suggest(value, choices)}"
    if error["type"] == "literal_error":
        return f"{name} is {value!r}{suggest(value, choices)}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{name} has no key {last!r}"
    if error["type"] == "missing":
        return f"{name} is missing the key {last!r}"
    message = error["msg"][0].lower() + error["msg"][1:]
    for python_word, word in (("tuple", "list"), ("dictionary", "mapping")):
        message = message.replace(f"a valid {python_word}", f"a {word}")
    return f"{name} is {value!r}: {message}"


def _join_branches(messages: list[str]) -> str:
    """Join the messages that a union's branches have for one value; the value is stated once."""
    first, *others = dict.fromkeys(messages)
    head = first.partition(": ")[0]
    return "; or: ".join([first, *(message.removeprefix(f"{head}: ") for message in others)])


def _name(target: Callable[..., Any]) -> str:
    return f"{target.__module__}.{target.__qualname__}"
