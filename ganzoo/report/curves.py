"""Charts as inline SVG: curves as they were logged, medians over them, and marks at steps."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from ganzoo.report.markup import node
from ganzoo.report.reading import Points
from ganzoo.report.scales import figure, reach, short, ticks
from ganzoo.report.thinning import SMOOTHED, most_of, smooth, thin

WIDTH, HEIGHT = 460, 210
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 10, 24
COLOURS = 6
DOTS = 40
"""Points up to which each is shown by a dot."""


@dataclass(frozen=True)
class Chart:
    """One chart.

    Args:
        title: above it.
        curves: name → points.
        end: the last step of the axis.
        smoothed: whether to draw medians of the curves that have enough points.
        marks: step → what happened there.
        best: the name of a curve and the step of its point that is marked.
        from_0: whether the axis of the values begins at 0.
    """

    title: str
    curves: Mapping[str, Points]
    end: float
    smoothed: bool = False
    marks: Mapping[float, str] = field(default_factory=dict)
    best: tuple[str, float] | None = None
    from_0: bool = False


@dataclass(frozen=True)
class Frame:
    """Where steps and values lie in a chart, in its pixels."""

    end: float
    low: float
    high: float

    def x(self, step: float) -> float:
        """Return the place of a step."""
        return LEFT + (WIDTH - LEFT - RIGHT) * step / self.end

    def y(self, value: float) -> float:
        """Return the place of a value: just beside the axis for all that lie beyond its ends."""
        share = (value - self.low) / (self.high - self.low)
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(share, -0.03), 1.03))


def draw(chart: Chart) -> Element:
    """Return a ``figure``: title, legend with the last values, and the SVG."""
    medians = {
        name: smooth(points) for name, points in chart.curves.items() if chart.smoothed and len(points) >= SMOOTHED
    }
    values = [value for points in chart.curves.values() for _, value in points]
    frame = Frame(chart.end or 1.0, *reach([*most_of(values), *([0.0] if chart.from_0 else [])]))
    legend = node("span", {"class": "legend"})
    for i, (name, points) in enumerate(chart.curves.items()):
        last = node("output", {}, figure(points[-1][1]))
        said = f"{name.removeprefix(f'{chart.title}_')} " if len(chart.curves) > 1 else None
        legend.append(node("span", {"class": f"c{i % COLOURS}", "title": name}, node("i"), said, last))
    head = node("figcaption", {}, node("b", {}, chart.title), " ", node("span", {"class": "at"}), legend)
    body = node(
        "svg",
        {
            "viewBox": f"0 0 {WIDTH} {HEIGHT}",
            "role": "img",
            "aria-label": f"{chart.title}: " + "; ".join(_spoken(*one) for one in chart.curves.items()),
            "data-axis": json.dumps([LEFT, WIDTH - RIGHT, frame.end]),
        },
        *_grid(frame),
        *_marks(frame, chart.marks),
    )
    for i, (name, points) in enumerate(chart.curves.items()):
        body.append(_curve(frame, points, f"c{i % COLOURS} {'raw' if name in medians else 'own'}"))
        if name in medians:
            body.append(node("path", {"class": f"c{i % COLOURS} smooth", "d": _path(frame, thin(medians[name]))}))
        elif len(points) <= DOTS:
            body.extend(_dots(frame, points, i % COLOURS))
        if chart.best and chart.best[0] == name:
            body.extend(_best(frame, points, chart.best[1]))
    body.append(node("line", {"class": "cursor", "y1": TOP, "y2": HEIGHT - BOTTOM, "x1": -9, "x2": -9}))
    return node("figure", {"class": "chart"}, head, body, _beyond(chart.curves, frame))


def _spoken(name: str, points: Points) -> str:
    (first, value), (last, end) = points[0], points[-1]
    return f"{name} {figure(value)} at step {first:g}, {figure(end)} at step {last:g}"


def _curve(frame: Frame, points: Points, classes: str) -> Element:
    """Return a curve that carries its numbers, for whoever points at it."""
    drawn = thin(points)
    numbers = [[step, float(f"{value:.6g}") if math.isfinite(value) else None] for step, value in drawn]
    return node(
        "path",
        {"class": classes, "d": _path(frame, drawn), "data-points": json.dumps(numbers, separators=(",", ":"))},
    )


def _path(frame: Frame, points: Points) -> str:
    """Return a path through points; it breaks where a value is not finite."""
    words, pen = [], "M"
    for step, value in points:
        if math.isfinite(value):
            words.append(f"{pen}{frame.x(step):.1f} {frame.y(value):.1f}")
            pen = "L"
        else:
            pen = "M"
    return "".join(words)


def _dots(frame: Frame, points: Points, colour: int) -> list[Element]:
    return [
        node("circle", {"class": f"c{colour}", "cx": f"{frame.x(step):.1f}", "cy": f"{frame.y(value):.1f}", "r": 2})
        for step, value in points
        if math.isfinite(value)
    ]


def _best(frame: Frame, points: Points, best: float) -> list[Element]:
    for step, value in points:
        if step == best and math.isfinite(value):
            place = {"class": "best", "cx": f"{frame.x(step):.1f}", "cy": f"{frame.y(value):.1f}", "r": 5.5}
            return [node("circle", place, node("title", {}, f"best: {figure(value)} at step {step:g}"))]
    return []


def _grid(frame: Frame) -> list[Element]:
    made = []
    for value in ticks(frame.low, frame.high):
        y = f"{frame.y(value):.1f}"
        made.append(node("line", {"class": "grid", "x1": LEFT, "x2": WIDTH - RIGHT, "y1": y, "y2": y}))
        made.append(node("text", {"x": LEFT - 6, "y": y, "dy": "0.32em", "text-anchor": "end"}, short(value)))
    for step in ticks(0, frame.end):
        x = f"{frame.x(step):.1f}"
        made.append(node("text", {"x": x, "y": HEIGHT - 7, "text-anchor": "middle"}, short(step)))
        made.append(node("line", {"class": "tick", "x1": x, "x2": x, "y1": HEIGHT - BOTTOM, "y2": HEIGHT - BOTTOM + 4}))
    made.append(
        node("line", {"class": "axis", "x1": LEFT, "x2": WIDTH - RIGHT, "y1": HEIGHT - BOTTOM, "y2": HEIGHT - BOTTOM})
    )
    return made


def _marks(frame: Frame, marks: Mapping[float, str]) -> list[Element]:
    made = []
    for step, what in marks.items():
        if 0 <= step <= frame.end:
            x = f"{frame.x(step):.1f}"
            said = node("title", {}, f"{what}: step {step:g}")
            place = {"class": f"mark {what}", "x1": x, "x2": x, "y1": TOP, "y2": HEIGHT - BOTTOM}
            made.append(node("line", place, said))
    return made


def _beyond(curves: Mapping[str, Points], frame: Frame) -> Element | None:
    """Return what is said of values that the axis leaves out, and of those that are no numbers."""
    values = [value for points in curves.values() for _, value in points]
    finite = [value for value in values if math.isfinite(value)]
    out = [value for value in finite if not frame.low <= value <= frame.high]
    said = [f"{len(out)} beyond the axis, from {figure(min(out))} to {figure(max(out))}"] if out else []
    said += [f"{len(values) - len(finite)} not finite"] if len(finite) < len(values) else []
    return node("small", {}, f"{len(values)} values: {', '.join(said)}") if said else None


def by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    """Group names that differ only in the domain or direction that they end in, under what they have in common.

    >>> by_stem(["gan_AB", "cycle_A", "gan_BA", "total"])
    {'gan': ['gan_AB', 'gan_BA'], 'cycle_A': ['cycle_A'], 'total': ['total']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        stem, _, end = name.rpartition("_")
        found.setdefault(stem if stem and end in ("A", "B", "AB", "BA", "AA") else name, []).append(name)
    return {stem if len(group) > 1 else group[0]: group for stem, group in found.items()}
