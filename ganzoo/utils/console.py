"""Print messages and training progress: a live line on a terminal, plain lines elsewhere. Used by all commands."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import IO

import rich.console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ganzoo.utils.formatting import format_clock


class Console:
    """Prints to standard output; ``quiet`` prints nothing, for all processes but the main one."""

    def __init__(self, quiet: bool = False, file: IO[str] | None = None) -> None:
        self.rich = rich.console.Console(quiet=quiet, file=file or sys.stdout, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print one line."""
        self.rich.print(text, markup=False)

    def panel(self, title: str, lines: list[str]) -> None:
        """Print lines in a titled frame; outside a terminal below a titled rule."""
        if self.rich.is_terminal:
            self.rich.print(Panel("\n".join(lines).replace("[", r"\["), title=title, expand=False))
        else:
            self.say("\n".join([f"— {title} —", *lines]))

    def bar(self, text: str, total: int) -> Bar:
        """Return the bar of a task before or after training, such as reading all images: a context."""
        return Bar(self, text, total)

    def progress(self, total: int, done: int) -> ProgressLine:
        """Return the progress line of a training run: ``done`` of ``total`` steps."""
        return ProgressLine(self, total, done)


class Bar:
    """Shows how much of a task is done: a bar on a terminal, elsewhere a line when it takes long. A context."""

    FIRST, NEXT = 3.0, 60.0
    """Seconds before the first plain line, and between the others."""

    def __init__(self, console: Console, text: str, total: int) -> None:
        self.console, self.text, self.total, self.done = console, text, total, 0
        self.due = time.monotonic() + self.FIRST
        self.live: Progress | None = None
        if console.rich.is_terminal and not console.rich.quiet:
            columns = (TextColumn(text), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
            self.live = Progress(*columns, console=console.rich, transient=True)
            self.live.add_task("", total=total)

    def __enter__(self) -> Bar:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def advance(self) -> None:
        """Count one more as done."""
        self.done += 1
        if self.live:
            self.live.update(self.live.task_ids[0], completed=self.done)
        elif time.monotonic() >= self.due:
            self.console.say(f"{self.text}: {self.done} of {self.total}")
            self.due = time.monotonic() + self.NEXT


class ProgressLine:
    """Shows steps, images/s, the share of time spent waiting for data, losses and time left."""

    def __init__(self, console: Console, total: int, done: int) -> None:
        self.console = console
        self.total = total
        self.live: Progress | None = None
        self.task: TaskID | None = None
        if console.rich.is_terminal and not console.rich.quiet:
            self.live = Progress(
                TextColumn("training"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[speed]}"),
                TextColumn("{task.fields[losses]}"),
                console=console.rich,
            )
            self.task = self.live.add_task("", total=total, completed=done, speed="", losses="")

    def __enter__(self) -> ProgressLine:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def advance(self, step: int) -> None:
        """Show how many steps are done."""
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step)

    def report(self, step: int, losses: Mapping[str, float], images_per_s: float, waiting: float, left: float) -> None:
        """Show the values of a logging interval.

        Args:
            step: steps done.
            losses: mean losses, by ``phase/name``.
            images_per_s: images per second.
            waiting: share of the time spent waiting for data, from 0 to 1.
            left: estimated seconds left.
        """
        shown = " ".join(f"{name.rpartition('/')[2]} {value:.3g}" for name, value in losses.items())
        speed = f"{images_per_s:.1f} images/s, waiting for data {waiting:.0%}"
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step, speed=speed, losses=shown)
        else:
            self.console.say(f"step {step}/{self.total}  {speed}  {format_clock(left)} left  {shown}")
