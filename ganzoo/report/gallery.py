"""Collect the sample grids that the report shows, the last one large, with labels over their columns."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ganzoo.report.run_log import RunLog
from ganzoo.report.samples import LARGE, SMALL, Grid, load_grid, select_grids

MEANINGS = {
    r"real_(.)": "a held-out image of {0}",
    r"fake_(.)": "its translation into {0}",
    r"true_(.)": "its true pair in {0}",
    r"rec_(.)": "reconstruction of {0}: translated and translated back",
    r"idt_(.)": "of {0}, by the generator into {0}",
    r"given_mask_(.)": "the data set's mask of real_{0}",
    r"mask_(.)": "the learned mask of real_{0}",
    r"(.*)_mask_(.*)": "the mask in the role {0}, of {1}",
}
"""Pattern of a tensor's name → what a column of that name shows; {0} and {1} are the groups of the pattern."""
PIXELATED_BELOW = 900
"""Width, in pixels, below which the browser enlarges a grid without smoothing it."""


@dataclass(frozen=True)
class Column:
    """The label over one column of a grid.

    Args:
        name: the tensor's name.
        meaning: a description of the tensor; empty for an unknown name.
        left: the column's left edge, as a CSS percentage of the grid's width.
        width: the column's width, as a CSS percentage of the grid's width.
    """

    name: str
    meaning: str
    left: str
    width: str


@dataclass(frozen=True)
class GridFigure:
    """A grid with its caption.

    Args:
        step: the step at which the grid was drawn.
        classes: the CSS classes of the grid's element.
        grid: the grid; None if its file cannot be read.
        columns: the labels over the grid's columns; None if the file does not say where they are.
    """

    step: int
    classes: str
    grid: Grid | None
    columns: list[Column] | None

    @property
    def description(self) -> str:
        """The text that the browser uses in place of the image."""
        return f"sample grid of step {self.step}: {', '.join(column.name for column in self.columns or [])}"

    @property
    def pixelated(self) -> bool:
        """Whether the browser enlarges the grid without smoothing it."""
        return self.grid is not None and self.grid.width < PIXELATED_BELOW


@dataclass(frozen=True)
class Gallery:
    """The grids that the report shows.

    Args:
        last: the latest grid, large.
        earlier: the grids before it, smaller, in the order of steps.
        note: a line that says which grids are shown, and how.
    """

    last: GridFigure
    earlier: list[GridFigure]
    note: str


def collect_gallery(log: RunLog) -> Gallery | None:
    """Read the sample grids of a run that the report shows, and return them; None if the run has none."""
    if not log.samples:
        return None
    *before, (step, path) = select_grids(log.samples)
    last = _figure(step, load_grid(path, LARGE), "grid last")
    earlier = [_figure(step, load_grid(path, SMALL), "grid") for step, path in before]
    return Gallery(last, earlier, _note(len(log.samples), [last, *earlier]))


def describe_column(name: str) -> str:
    """Return a text that says what the column of a tensor shows; empty for an unknown name.

    >>> describe_column("idt_B"), describe_column("discriminator_mask_fake_B")
    ('of B, by the generator into B', 'the mask in the role discriminator, of fake_B')
    """
    for pattern, meaning in MEANINGS.items():
        if match := re.fullmatch(pattern, name):
            return meaning.format(*match.groups())
    return ""


def _figure(step: int, grid: Grid | None, classes: str) -> GridFigure:
    if grid is None or grid.layout is None:
        return GridFigure(step, classes, grid, None)
    whole = grid.size[0]
    columns = [
        Column(name, describe_column(name), f"{left / whole:.4%}", f"{width / whole:.4%}")
        for name, (left, width, _) in grid.layout.columns.items()
    ]
    return GridFigure(step, classes, grid, columns)


def _note(count: int, figures: Sequence[GridFigure]) -> str:
    sentences = []
    if len(figures) < count:
        sentences.append(f"{len(figures)} of {count} grids are shown, evenly spaced, and the last.")
    if any(figure.grid and figure.grid.width < figure.grid.size[0] for figure in figures):
        sentences.append("Grids are scaled down, so that this page stays small.")
    sentences.append("The folder samples/ holds all of them in full size.")
    return " ".join(sentences)
