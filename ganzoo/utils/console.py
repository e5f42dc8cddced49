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
from ganzoo.utils.terminal import accept_any_text, escape_controls


class Console:
    """Prints to standard output; ``quiet`` prints nothing, for all processes but the main one."""

    def __init__(self, quiet: bool = False, file: IO[str] | None = None) -> None:
        file = file or sys.stdout
        accept_any_text(file)
        self.rich = rich.console.Console(quiet=quiet, file=file, highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Print one line, its control characters escaped."""
        self.rich.print(escape_controls(text), markup=False)

    def panel(self, title: str, lines: list[str]) -> None:
        """Print lines in a titled frame; outside a terminal below a titled rule."""
        if self.rich.is_terminal:
            content = escape_controls("\n".join(lines)).replace("[", r"\[")
            self.rich.print(Panel(content, title=title, expand=False))
        else:
            self.say("\n".join([f"— {title} —", *lines]))

    def progress(self, total: int, done: int) -> ProgressLine:
        """Return the progress line of a training run: ``done`` of ``total`` steps."""
        return ProgressLine(self, total, done)


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
        shown = escape_controls(" ".join(f"{name.rpartition('/')[2]} {value:.3g}" for name, value in losses.items()))
        speed = f"{images_per_s:.1f} images/s, waiting for data {waiting:.0%}"
        if self.live and self.task is not None:
            self.live.update(self.task, completed=step, speed=speed, losses=shown)
        else:
            self.console.say(f"step {step}/{self.total}  {speed}  {format_clock(left)} left  {shown}")
