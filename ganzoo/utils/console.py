"""Print messages and progress: live lines on a terminal, plain lines elsewhere. Used by all commands."""

from __future__ import annotations

import errno
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import IO, Any, cast

import rich.console
from rich.panel import Panel
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from ganzoo.utils.formatting import format_clock
from ganzoo.utils.terminal import accept_any_text, escape_controls

SILENCE = 15.0
"""Seconds after which a long task without a terminal prints a line about its progress."""
LOST = {errno.EPIPE, errno.EIO, *([errno.EINVAL] if sys.platform == "win32" else [])}
"""Errors of an output whose reader has ended: a pipe, a terminal, a pipe on Windows."""
BAR = 24
"""The width of a bar on a terminal that is wide enough."""


class Console:
    """Prints messages and progress.

    Control characters in texts are escaped, and characters that the file's encoding lacks are spelled otherwise. When
    nobody reads the output any more, as with ``| head``, it prints nothing and the work goes on.

    Args:
        quiet: print nothing; by default so on all processes of a run but the first.
        file: the file to print to; by default standard output.
    """

    def __init__(self, quiet: bool | None = None, file: IO[str] | None = None) -> None:
        quiet = os.environ.get("RANK", "0") != "0" if quiet is None else quiet
        file = file or sys.stdout
        accept_any_text(file)
        lasting = cast(IO[str], _Lasting(file))
        self.rich = rich.console.Console(quiet=quiet, file=lasting, highlight=False, soft_wrap=True, emoji=False)
        self.live: Progress | None = None
        """The live lines that are on the terminal now."""

    @property
    def is_live(self) -> bool:
        """Whether it can show live lines."""
        return self.rich.is_terminal and not self.rich.quiet

    def say(self, text: str) -> None:
        """Print a text and a line break."""
        self.rich.print(escape_controls(text), markup=False)

    def panel(self, title: str, lines: Sequence[str], below: Sequence[str] = ()) -> None:
        """Print lines in a frame with a title; if the output is no terminal, below a line with the title.

        Lines that are too long are folded. Those of ``below`` follow the frame and are not, so that they can be copied.
        """
        if self.rich.is_terminal:
            text = Text(escape_controls("\n".join(lines)), overflow="fold")
            self.rich.print(Panel(text, title=title, expand=False), soft_wrap=False)
        else:
            self.say("\n".join([f"— {title} —", *lines]))
        for line in below:
            self.say(line)

    def progress(self, total: int, done: int) -> ProgressLine:
        """Return the progress line of a training run, of which ``done`` of ``total`` steps are finished."""
        return ProgressLine(self, total, done)

    @contextmanager
    def bar(self, label: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show the progress of a task that takes long; yield a function to call with the number of parts done.

        On a terminal it is a line with a bar, which disappears at the end; elsewhere a line every ``SILENCE`` seconds.
        """
        if not self.is_live:
            yield self._plain_bar(label, total)
            return
        outer = self.live
        live = outer or live_lines(self.rich, transient=True)
        task = live.add_task(escape_controls(label), total=total, details=())
        if outer is None:
            live.start()
            self.live = live
        try:
            yield lambda done: live.update(task, completed=done)
        finally:
            live.remove_task(task)
            if outer is None:
                live.stop()
                self.live = None

    def _plain_bar(self, label: str, total: int) -> Callable[[int], None]:
        last = time.monotonic()

        def show(done: int) -> None:
            nonlocal last
            if time.monotonic() - last >= SILENCE:
                last = time.monotonic()
                self.say(f"{label}: {done}/{total}")

        return show


class _Lasting:
    """A stream that drops what is written after its reader has ended."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text, if there is a reader."""
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Write what is in the buffer, if there is a reader."""
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            if error.errno not in LOST:
                raise
            with suppress(OSError):  # what the buffer holds must go somewhere, at the end of the process at the latest
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())


class ProgressLine:
    """The progress of training: steps, images per second, share of time spent waiting for data, losses and time left.

    On a terminal it is a live line, during a ``with`` block; elsewhere each ``report`` prints a line.

    Args:
        console: the console to print to.
        total: the run's length in steps.
        done: the number of steps that are finished at the start.
    """

    def __init__(self, console: Console, total: int, done: int) -> None:
        self.console = console
        self.total = total
        self.live = live_lines(console.rich) if console.is_live else None
        self.task = self.live.add_task("training", total=total, completed=done, details=()) if self.live else None

    def __enter__(self) -> ProgressLine:
        if self.live:
            self.live.start()
            self.console.live = self.live
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()
            self.console.live = None

    def advance(self, step: int) -> None:
        """Show on the live line that ``step`` steps are finished; without a terminal do nothing."""
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step)

    def report(self, step: int, losses: Mapping[str, float], images_per_s: float, waiting: float, left: float) -> None:
        """Show the values of a logging interval.

        Args:
            step: the number of finished steps.
            losses: ``PHASE/TERM`` → mean of the loss term; the phase is shown only where two have a term of this name.
            images_per_s: the number of images per second.
            waiting: the share of the time that was spent waiting for data, from 0 to 1.
            left: the estimated number of seconds left.
        """
        terms = [name.rpartition("/")[2] for name in losses]
        names = [name if terms.count(term) > 1 else term for name, term in zip(losses, terms, strict=True)]
        shown = [escape_controls(f"{name} {value:.3g}") for name, value in zip(names, losses.values(), strict=True)]
        speed = [f"{images_per_s:.1f} images/s", f"waiting for data {waiting:.0%}"]
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step, details=(*speed, *shown))
        else:
            text = f"{', '.join(speed)}  {format_clock(left)} left  {' '.join(shown)}"
            self.console.say(f"step {step}/{self.total}  {text}")


def live_lines(console: rich.console.Console, *, transient: bool = False) -> Progress:
    """Return live lines, one for each task; ``transient``: they disappear at the end."""
    return Progress(_Line(console), console=console, transient=transient)


class _Line(ProgressColumn):
    """A task in one line: label, bar, steps, time left, details. Where it is too narrow, the last details go first."""

    def __init__(self, console: rich.console.Console) -> None:
        super().__init__()
        self.console = console

    def render(self, task: Task) -> Text:
        """Return the line, in less than the console's width."""
        total, done = int(task.total or 0), int(task.completed)
        left = "-:--:--" if task.time_remaining is None else format_clock(task.time_remaining)
        label, steps = f"{task.description} ", f" {done:>{len(str(total))}}/{total} {left:>7}"
        room = self.console.width - 1 - len(label) - len(steps)
        width = max(0, min(BAR, room))
        details = list(task.fields["details"])
        while details and width + 1 + len(" ".join(details)) > room:
            details.pop()
        filled = width * min(done, total) // total if total else 0
        heavy, light = "━─" if self.console.encoding.startswith("utf") else "#-"
        return Text.assemble(
            label,
            (heavy * filled, "bar.complete"),
            (light * (width - filled), "bar.back"),
            steps,
            *(f" {detail}" for detail in details),
            no_wrap=True,
            overflow="crop",
        )
