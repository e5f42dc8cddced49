"""Print messages and training progress: a live line on a terminal, plain lines elsewhere. Used by all commands."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import IO

import rich.console
from rich.panel import Panel
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from ganzoo.utils.formatting import format_clock


class Console:
    """Prints messages and progress.

    Args:
        quiet: whether to print nothing, as all processes but the main one do.
        file: the file to print to; by default standard output.
    """

    def __init__(self, quiet: bool = False, file: IO[str] | None = None) -> None:
        self.rich = rich.console.Console(quiet=quiet, file=file or sys.stdout, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print a text and a line break."""
        self.rich.print(text, markup=False)

    def panel(self, title: str, lines: list[str]) -> None:
        """Print lines in a frame with a title; if the output is no terminal, below a line with the title."""
        if self.rich.is_terminal:
            self.rich.print(Panel("\n".join(lines).replace("[", r"\["), title=title, expand=False))
        else:
            self.say("\n".join([f"— {title} —", *lines]))

    def progress(self, total: int, done: int) -> ProgressLine:
        """Return the progress line of a training run, of which ``done`` of ``total`` steps are finished."""
        return ProgressLine(self, total, done)


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
        """Show on the live line that ``step`` steps are finished; without a terminal do nothing."""
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step)

    def report(self, step: int, losses: Mapping[str, float], images_per_s: float, waiting: float, left: float) -> None:
        """Show the values of a logging interval.

        Args:
            step: the number of finished steps.
            losses: ``PHASE/TERM`` → mean of the loss term.
            images_per_s: the number of images per second.
            waiting: the share of the time that was spent waiting for data, from 0 to 1.
            left: the estimated number of seconds left.
        """
        shown = " ".join(f"{name.rpartition('/')[2]} {value:.3g}" for name, value in losses.items())
        speed = f"{images_per_s:.1f} images/s, waiting for data {waiting:.0%}"
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step, speed=speed, losses=shown)
        else:
            self.console.say(f"step {step}/{self.total}  {speed}  {format_clock(left)} left  {shown}")
