"""Stop when asked: SIGTERM and Ctrl-C end a run after the step at hand, and save."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType

from ganzoo.errors import GanzooError


class Interrupted(GanzooError):  # noqa: N818
    """The run was asked to stop, and saved; ``code`` is what the command exits with."""

    def __init__(self, folder: Path, step: int, name: str) -> None:
        self.code = 128 + getattr(signal, name, 0) if name else 0
        super().__init__(f"{folder}: stopped at step {step} and saved; the same command goes on from here")


class StopSignal:
    """While it lasts, SIGTERM and Ctrl-C ask for a stop after the step; a second Ctrl-C ends at once."""

    def __init__(self) -> None:
        self.name = ""

    @property
    def asked(self) -> bool:
        """Whether a signal came."""
        return bool(self.name)

    def __enter__(self) -> StopSignal:
        self.before = {one: signal.getsignal(one) for one in (signal.SIGTERM, signal.SIGINT)}
        try:
            for one in self.before:
                signal.signal(one, self._handle)
        except ValueError:  # not in the main thread (a notebook's executor): then signals are not ours
            self.before = {}
        return self

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.name == "SIGINT" and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name

    def __exit__(self, *problem: object) -> None:
        for one, handler in self.before.items():
            signal.signal(one, handler)
