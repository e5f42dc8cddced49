"""The sample grids over time: the last one large, those before it smaller, and what their columns are."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree.ElementTree import Element

from ganzoo.report.markup import Child, node
from ganzoo.report.run_log import Log
from ganzoo.report.samples import LARGE, SMALL, Grid, chosen, ready

MEANINGS = {
    r"real_(.)": "a held-out image of {0}",
    r"fake_(.)": "its translation into {0}",
    r"true_(.)": "its true pair in {0}",
    r"rec_(.)": "of {0}, there and back again",
    r"idt_(.)": "of {0}, by the generator into {0}",
    r"given_mask_(.)": "the data set's mask of real_{0}",
    r"mask_(.)": "the mask that is learnt of real_{0}",
    r"(.*)_mask_(.*)": "the mask in the role {0}, of {1}",
}


def gallery(log: Log) -> list[Element]:
    """Return the grids, or a line that says that there are none."""
    if not log.samples:
        return [node("p", {"class": "note"}, "None drawn yet.")]
    shown = chosen(log.samples)
    *before, (last, path) = shown
    large = ready(path, LARGE)
    made = [_figure(last, large, "grid last")]
    if large and large.places:
        columns = [node("li", {}, node("code", {}, name), f" {meaning(name)}") for name in large.places.columns]
        summary = node("summary", {}, "What the columns are, left to right")
        made.append(node("details", {}, summary, node("ol", {"class": "columns"}, *columns)))
    small = [(step, ready(one, SMALL)) for step, one in before]
    if small:
        made.append(node("div", {"class": "grids"}, *(_figure(step, grid, "grid") for step, grid in small)))
    return [*made, _note(log.samples, shown, [large, *(grid for _, grid in small)])]


def meaning(name: str) -> str:
    """Return what a column shows.

    >>> meaning("idt_B"), meaning("discriminator_mask_fake_B")
    ('of B, by the generator into B', 'the mask in the role discriminator, of fake_B')
    """
    for pattern, said in MEANINGS.items():
        if match := re.fullmatch(pattern, name):
            return said.format(*match.groups())
    return ""


def _figure(step: int, grid: Grid | None, classes: str) -> Element:
    if grid is None:
        return node("figure", {"class": classes}, node("figcaption", {}, f"step {step}: the file cannot be read"))
    names = list(grid.places.columns) if grid.places else []
    image = node("img", {"src": grid.uri, "alt": f"sample grid of step {step}: {', '.join(names)}", "loading": "lazy"})
    if grid.width < 900:
        image.set("class", "pixels")
    link = node("a", {"href": f"#step-{step}", "title": "larger"}, image)
    away = node("a", {"href": "#samples", "class": "away"}, "close")
    caption = node("figcaption", {}, f"step {step}", away)
    return node("figure", {"id": f"step-{step}", "class": classes}, caption, _names(grid), link)


def _names(grid: Grid) -> Element | None:
    """Return the columns' names, each over its column; they may break after an underscore, not before the domain."""
    if grid.places is None:
        return None
    row = node("div", {"class": "names"})
    for name, (left, width, _) in grid.places.columns.items():
        first, *others = name.split("_")
        parts: list[Child] = [first]
        for one in others:
            parts += ["_", node("wbr") if len(one) > 1 else None, one]
        place = f"left:{left / grid.size[0]:.4%};width:{width / grid.size[0]:.4%}"
        row.append(node("span", {"style": place}, *parts))
    return row


def _note(all_: list[tuple[int, Path]], shown: list[tuple[int, Path]], grids: list[Grid | None]) -> Element:
    said = []
    if len(shown) < len(all_):
        said.append(f"{len(shown)} of {len(all_)} grids are shown, evenly spaced, and the last.")
    if any(grid and grid.width < grid.size[0] for grid in grids):
        said.append("Grids are scaled down, so that this page stays small.")
    said.append("All of them lie in samples/, as they were drawn.")
    return node("p", {"class": "note"}, " ".join(said))
