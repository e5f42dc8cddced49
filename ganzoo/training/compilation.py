"""Announce the first training step of a session when it compiles the networks, which takes seconds or minutes."""

from __future__ import annotations

import time
from collections.abc import Callable

from ganzoo.errors import GanzooError, is_strict, one_line
from ganzoo.settings import Compile
from ganzoo.utils.formatting import format_duration


class Compilation:
    """A context for each training step: the first one is announced before, and its time afterwards.

    Raises GanzooError at its end when torch could not compile.

    Args:
        setting: the recipe's ``train.compile``; with False nothing happens.
        say: prints a line.
    """

    def __init__(self, setting: Compile, say: Callable[[str], None]) -> None:
        self.expected = bool(setting)
        self.say = say
        self.started = 0.0

    def __enter__(self) -> None:
        self.started = time.perf_counter()
        if self.expected:
            self.say("train.compile: the first step compiles the networks, which can take minutes")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self.expected and kind is None:
            self.say(f"train.compile: the first step took {format_duration(time.perf_counter() - self.started)}")
        if self.expected and error is not None and _is_of_compiler(error) and not is_strict():
            raise GanzooError(
                f"train.compile: torch cannot compile the networks: {one_line(error)[:300]}; set train.compile to "
                "false; GANZOO_STRICT=1 shows the traceback"
            ) from error
        self.expected = False


def _is_of_compiler(error: BaseException) -> bool:
    """Return whether an error is one of torch's compiler, without importing it, which takes seconds."""
    return any(one.__name__ == "TorchDynamoException" for one in type(error).__mro__)
