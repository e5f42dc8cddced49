"""Find the component that an error comes from, among several that were running, and name its author's line."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ganzoo.contracts.origin import Origin, stays_as_it_is
from ganzoo.errors import ComponentError, one_line, size_advice

MODULE_CALLS = ("_wrapped_call_impl", "_call_impl")
"""The functions of torch that call a module's ``forward``."""


@contextmanager
def catch_component_errors(origins: Iterable[Origin], caller: Origin | None, function: str) -> Iterator[None]:
    """Turn any error in the code of components in a ``with`` block into a ComponentError of one line.

    The line names the component whose code was running, and the deepest line of its author. The errors that
    ``Origin.catch`` leaves as they are stay so here, too.

    Args:
        origins: the components that may run.
        caller: the component that is called directly: an error that no author's code raised, such as one about its
            signature, is blamed on it. None: such an error stays as it is.
        function: the name of the function that is called.
    """
    try:
        yield
    except Exception as error:  # not SystemExit, which handlers of signals raise
        if stays_as_it_is(error):
            raise
        found = blame(error, [*origins, *([caller] if caller else [])])
        if found is None and caller is None:
            raise
        origin, failed, place = found or (caller, function, caller.line(function))  # type: ignore[union-attr]
        raise ComponentError(
            f"{origin}: {failed} failed: {one_line(error)[:300]} ({place}){size_advice(error)}; "
            "GANZOO_STRICT=1 shows the traceback"
        ) from error


def blame(error: BaseException, origins: Iterable[Origin]) -> tuple[Origin, str, str] | None:
    """Return the component that an error comes from, the function that failed, and ``FILE:LINE``; or None.

    It is the component whose code was running deepest. A call with wrong arguments runs no code of the component that
    is called: then torch's own call of the module counts, and the line is that of the function.

    Args:
        error: the error, with its traceback.
        origins: the components.
    """
    known = list(dict.fromkeys(origins))
    frames = [(frame, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    for depth, (frame, line) in reversed(list(enumerate(frames))):
        file = frame.f_code.co_filename
        authors = [origin for origin in known if origin.wrote(file)]
        if authors:
            callers = [one for one, _ in reversed(frames[: depth + 1])]
            return _running(callers, authors), frame.f_code.co_name, f"{file}:{line}"
        for origin in known if frame.f_code.co_name in MODULE_CALLS else ():
            if _is_own(frame, origin):
                return origin, "forward", origin.line("forward")
    return None


def raised_by(error: BaseException, function: Callable[..., Any]) -> bool:
    """Return whether a function itself raised an error, and none that it called: an interface's default, say."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return frame.f_code is getattr(function, "__code__", None)


def _is_own(frame: FrameType, origin: Origin) -> bool:
    return isinstance(frame.f_locals.get("self"), origin.component)


def _running(callers: Iterable[FrameType], authors: list[Origin]) -> Origin:
    """Return the component of a package whose object was running: that of the deepest frame that belongs to one."""
    for frame in callers:
        for origin in authors:
            if _is_own(frame, origin):
                return origin
    return authors[0]
