"""What a plugin's callbacks must be: instances of ``Callback`` whose functions are events with the right parameters."""

from __future__ import annotations

import inspect
from typing import Any

from ganzoo.contracts.describe import describe
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError, suggest

PREFIX = "on_"
"""How the names of a callback's functions begin."""


def events_of(base: type) -> dict[str, list[str]]:
    """Return the functions that ganzoo calls on a callback, each with its parameters without ``self``.

    Args:
        base: the interface's class ``Callback``.
    """
    functions = {name: function for name, function in vars(base).items() if name.startswith(PREFIX)}
    return {name: list(inspect.signature(function).parameters)[1:] for name, function in functions.items()}


def check_callback(callback: Any, base: type, hook: Origin, plugin: str) -> Origin:
    """Return the origin of a callback. Raises ComponentError if ganzoo cannot call it.

    Args:
        callback: what a plugin's ``ganzoo_callbacks`` returned, and not None.
        base: the interface's class ``Callback``.
        hook: where the hook comes from.
        plugin: the plugin's name.
    """
    if not isinstance(callback, base):
        wanted = "an instance of a subclass of Callback, or None"
        if isinstance(callback, type) and issubclass(callback, base):
            wanted = f"an instance: {callback.__name__}()"
        elif isinstance(callback, list | tuple):
            wanted = "one Callback, or None; one callback may call several others"
        raise hook.refuse("ganzoo_callbacks", describe(callback), wanted)
    origin, events = Origin(type(callback), "callback", type(callback).__name__, plugin), events_of(base)
    for name in sorted(name for name in dir(callback) if name.startswith(PREFIX)):
        function = getattr(callback, name)
        if name not in events:
            if callable(function):
                raise ComponentError(
                    f"{origin}: it has a function {name!r}, which no event of a run calls{suggest(name, events)} "
                    f"({origin.line(name)})"
                )
            continue
        if not callable(function):
            raise ComponentError(f"{origin}: {name} is {describe(function)}; expected a function ({origin.line()})")
        parameters = events[name]
        try:
            inspect.signature(function).bind(*parameters)
        except TypeError as error:
            raise ComponentError(
                f"{origin}: {name} cannot be called with its {len(parameters)} arguments ({error}); expected "
                f"{name}(self, {', '.join(parameters)}) ({origin.line(name)})"
            ) from None
    return origin


def check_stop(answer: Any, origin: Origin) -> bool:
    """Return whether a callback ends the training. Raises ComponentError unless the answer is a bool or None."""
    if answer is None or isinstance(answer, bool):
        return bool(answer)
    if type(answer).__name__ in ("bool", "bool_") and type(answer).__module__ == "numpy":
        return bool(answer)
    raise origin.refuse("on_evaluation", describe(answer), "True to end the training, else False or None")
