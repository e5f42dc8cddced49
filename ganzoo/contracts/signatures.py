"""Compare the functions of a component with those of its interface: whether ganzoo's calls of them fit."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from inspect import Parameter, Signature
from typing import Any

from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError

BY_NAME = {("masker", "forward"): ("rng", "given")}
"""Kind and function → the parameters that ganzoo passes by name; it passes all others by position."""
VARIADIC: Mapping[object, str] = {Parameter.VAR_POSITIONAL: "*", Parameter.VAR_KEYWORD: "**"}


def signature_errors(origin: Origin, base: type) -> Iterator[ComponentError]:
    """Yield an error for each function of a component that cannot be called as its interface says.

    Args:
        origin: the component.
        base: the class of its interface, which the component is derived from.
    """
    for name, function in vars(base).items():
        own = inspect.getattr_static(origin.component, name)
        if name.startswith("_") or not inspect.isfunction(function) or own is function:
            continue
        expected = list(inspect.signature(function).parameters)[1:]
        call = f"{name}({', '.join(expected)})"
        if not isinstance(own, staticmethod | classmethod) and not callable(own):
            yield origin.mistake(f"its {name} is no function; ganzoo calls {call}: define it", name)
        elif not _fits(parameters_of(origin.component, name), expected, BY_NAME.get((origin.kind, name), ())):
            shown = ", ".join(map(_shown, parameters_of(origin.component, name)))
            write = f"def {name}(self{''.join(f', {one}' for one in expected)})"
            yield origin.mistake(f"its {name} takes ({shown}), but ganzoo calls {call}: write {write}", name)


def parameters_of(target: type, function: str) -> list[Parameter]:
    """Return the parameters of one of a class's functions, as a call on an instance sees them: without ``self``."""
    raw = inspect.getattr_static(target, function)
    parameters = list(inspect.signature(getattr(target, function)).parameters.values())
    return parameters if isinstance(raw, staticmethod | classmethod) else parameters[1:]


def defines(target: type, function: str) -> bool:
    """Return whether a class has a function of its own; the ``forward`` that torch gives every module is none.

    >>> defines(dict, "get"), defines(dict, "forward")
    (True, False)
    """
    found = getattr(target, function, None)
    return callable(found) and getattr(found, "__name__", "") != "_forward_unimplemented"


def _fits(own: list[Parameter], expected: list[str], by_name: tuple[str, ...]) -> bool:
    """Return whether a call fits: no parameter is missing, unknown or in another place."""
    by_place = [one for one in expected if one not in by_name]
    try:
        Signature(own).bind(*by_place, **dict.fromkeys(by_name))
    except TypeError:
        return False
    names: list[Any] = [one.name for one in own if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    return all(names.index(one) == place for place, one in enumerate(by_place) if one in names)


def _shown(parameter: Parameter) -> str:
    return VARIADIC.get(parameter.kind, "") + parameter.name
