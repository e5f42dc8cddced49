"""Options: the keyword-only parameters of a constructor, checked against their type hints by pydantic."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python
from typing_extensions import is_typeddict

from ganzoo.errors import GanzooError, one_line, suggest
from ganzoo.registry import Component

MISSING = inspect.Parameter.empty


@dataclass(frozen=True)
class Option:
    """One option of a component; ``default`` is ``MISSING`` where it must be given."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether a recipe must set it."""
        return self.default is MISSING

    @property
    def type_text(self) -> str:
        """The type as a reader writes it: ``int``, ``'lsgan' | 'hinge'``."""
        return _type_text(self.type)


@dataclass(frozen=True)
class Problem:
    """A mistake at a path of keys, to be printed with the place in the user's file."""

    path: tuple[str | int, ...]
    message: str


def options_of(target: Callable[..., Any]) -> dict[str, Option]:
    """Return the options of a class or function: its keyword-only parameters.

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


def check_options(
    target: Callable[..., Any],
    given: Mapping[str, Any],
    path: tuple[str | int, ...] = (),
    beside: Iterable[str] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """Return all options of a target, coerced and with defaults filled in, and every mistake in ``given``.

    Args:
        target: a class or function.
        given: what a recipe says.
        path: where it says it.
        beside: keys that may stand there too, for the suggestions.
    """
    known = options_of(target)
    checked, problems = {}, []
    for name, value in given.items():
        if name not in known:
            problems.append(Problem((*path, name), f"unknown option {name!r}{suggest(name, [*known, *beside])}"))
            continue
        try:
            checked[name] = _validate(known[name].type, value)
        except PydanticUserError as error:
            said = one_line(error).partition(" For further information")[0]
            raise GanzooError(f"the type of {name!r} of {_name(target)} cannot be checked: {said}") from error
        except ValidationError as error:
            said_at: dict[tuple[str | int, ...], list[str]] = {}
            for one in error.errors():
                said_at.setdefault(_keys(one["loc"][1:], value), []).append(_explain(name, dict(one)))
            problems += [
                Problem((*path, name, *place), _either(said))
                for place, said in said_at.items()
                if not any(deeper[: len(place)] == place != deeper for deeper in said_at)
            ]
        if isinstance(checked.get(name), Path):
            checked[name] = Path(os.path.expanduser(checked[name]))  # leaves the ~ of an unknown user as it is
    for name, option in known.items():
        if name not in given and option.required:
            problems.append(Problem(path, f"the option {name!r} ({option.type_text}) is missing"))
        elif name not in given:
            checked[name] = option.default
    return {name: checked[name] for name in known if name in checked}, problems


def build(component: Component, *args: Any, **options: Any) -> Any:
    """Make a component. Raises GanzooError for options that it does not take, all at once."""
    made = component.load()
    checked, problems = check_options(made, options)
    if problems:
        raise GanzooError("\n".join(f"{component.kind} {component.name!r}: {problem.message}" for problem in problems))
    return made(*args, **checked)


def plain(value: Any) -> Any:
    """Return a value as YAML and JSON can hold it: paths as texts, tuples as lists, settings as mappings."""
    return to_jsonable_python(value, fallback=str)


def _validate(hint: Any, value: Any) -> Any:
    """Coerce a value to a type. A whole number may be written ``1e5``, which YAML reads as a text."""
    try:
        coerced = _adapter(hint).validate_python((value,))[0]
        if isinstance(value, bool) and isinstance(coerced, int | float) and not isinstance(coerced, bool):
            return _adapter(hint).validate_python((str(value),))[0]  # true is no number: refused as the text it is
        return coerced
    except ValidationError:
        if isinstance(value, str) and re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+", value):
            return _adapter(hint).validate_python((float(value),))[0]
        raise


def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return _cached_adapter(hint)
    except TypeError:  # unhashable hints, such as Literal of lists
        return _cached_adapter.__wrapped__(hint)


@cache
def _cached_adapter(hint: Any) -> TypeAdapter[Any]:
    # In a tuple of one, since a TypedDict by itself would not take the configuration, and would drop unknown keys.
    return TypeAdapter(tuple[hint], config=ConfigDict(arbitrary_types_allowed=True, extra="forbid"))


def _keys(location: tuple[int | str, ...], value: Any) -> tuple[int | str, ...]:
    """Keep the part of pydantic's location that names keys of the user's value, not branches of a union."""
    keys: list[int | str] = []
    for one in location:
        if (isinstance(value, Mapping) and one in value) or (
            isinstance(value, list) and isinstance(one, int) and one < len(value)
        ):
            keys.append(one)
            value = value[one]  # type: ignore[index]
    return tuple(keys)


def _explain(name: str, error: dict[str, Any]) -> str:
    given, last = error["input"], error["loc"][-1] if error["loc"] else ""
    choices = error.get("ctx", {}).get("expected", "").replace(" or ", ", ").replace("'", "").split(", ")
    if last == "[key]":
        return f"{name} has no key {given!r}{suggest(given, choices)}"
    if error["type"] == "literal_error":
        return f"{name} is {given!r}{suggest(given, choices)}"
    if error["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{name} has no key {last!r}"
    if error["type"] == "missing":
        return f"{name} lacks {last!r}"
    text = error["msg"][0].lower() + error["msg"][1:]
    for theirs, ours in (("tuple", "list"), ("dictionary", "mapping"), ("string", "text")):
        text = text.replace(f"a valid {theirs}", f"a {ours}")
    return f"{name} is {given!r}: {text}"


def _either(said: list[str]) -> str:
    """Join what each branch of a union said of one value, without repeating the value."""
    first, *others = dict.fromkeys(said)
    head = first.partition(": ")[0]
    return "; or: ".join([first, *(one.removeprefix(f"{head}: ") for one in others)])


def _name(target: Callable[..., Any]) -> str:
    return f"{target.__module__}.{target.__qualname__}"


def _type_text(hint: Any) -> str:
    """Write a type as a reader would: ``float ≥ 0``, ``'a' | 'b'``, ``tuple[int, ...]``."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        signs = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
        bounds = [
            f"{sign} {value}"
            for one in hint.__metadata__
            for constraint in getattr(one, "metadata", [one])
            for attribute, sign in signs.items()
            if (value := getattr(constraint, attribute, None)) is not None
        ]
        return f"{_type_text(inner[0])} {', '.join(bounds)}".strip()
    if origin is Literal:
        return " | ".join(map(repr, inner))
    if origin in (Union, UnionType):
        return " | ".join(map(_type_text, inner))
    if is_typeddict(hint):
        keys = get_type_hints(hint, include_extras=True)
        return "{" + ", ".join(f"{key}: {_type_text(one)}" for key, one in keys.items()) + "}"
    if hint is type(None) or hint is Ellipsis:
        return "None" if hint is type(None) else "..."
    if inner and isinstance(origin, type):
        return f"{origin.__name__}[{', '.join(map(_type_text, inner))}]"
    return str(getattr(hint, "__name__", hint))
