"""Draw charts of a run's log as SVG: axes, thinning, smoothing."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ganzoo.report.markup import node
from ganzoo.report.run_log import Points

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
    """Return a ``format_number``: title, legend with the last values, and the SVG."""
    medians = {
        name: smooth(points) for name, points in chart.curves.items() if chart.smoothed and len(points) >= SMOOTHED
    }
    values = [value for points in chart.curves.values() for _, value in points]
    frame = Frame(chart.end or 1.0, *reach([*most_of(values), *([0.0] if chart.from_0 else [])]))
    legend = node("span", {"class": "legend"})
    for i, (name, points) in enumerate(chart.curves.items()):
        last = node("output", {}, format_number(points[-1][1]))
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
    return f"{name} {format_number(value)} at step {first:g}, {format_number(end)} at step {last:g}"


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
            return [node("circle", place, node("title", {}, f"best: {format_number(value)} at step {step:g}"))]
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
    said = [f"{len(out)} beyond the axis, from {format_number(min(out))} to {format_number(max(out))}"] if out else []
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


HUGE = 1e100
"""No axis goes further, and less than one over it counts as 0."""


def apart(low: float, high: float, count: int = 5) -> float:
    """Return how far apart round numbers are, 1, 2 or 5 times a power of ten, of which about ``count`` fit in between.

    >>> apart(0, 640), apart(0.13, 0.52)
    (200.0, 0.1)
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def ticks(low: float, high: float) -> list[float]:
    """Return the round numbers within [low, high], low < high.

    >>> ticks(0, 640), ticks(0.13, 0.52)
    ([0.0, 200.0, 400.0, 600.0], [0.2, 0.3, 0.4, 0.5])
    """
    step = apart(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def short(value: float) -> str:
    """Return a number for an axis, as short as can be.

    >>> [short(one) for one in (0.0, 0.25, 20000, 1500000, 2e-05)]
    ['0', '0.25', '20k', '1.5M', '2e-5']
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if letter == 'k' else size):.6g}{letter}"
    if value and abs(value) < 1e-3:
        digits, _, power = f"{value:.3e}".partition("e")
        return f"{float(digits):g}e{int(power)}"
    return f"{value:.6g}"


def format_number(value: float) -> str:
    """Return a number of a table: four digits that count, as at the end of a run.

    >>> format_number(0.24512), format_number(100), format_number(1230987264), format_number(float("nan"))
    ('0.2451', '100', '1.231G', 'not a number')
    """
    if math.isnan(value):
        return "not a number"
    return short(float(f"{value:.4g}")) if 1e5 <= abs(value) < 1e15 else f"{value:.4g}"


def reach(values: Sequence[float]) -> tuple[float, float]:
    """Return an axis's ends for finite values: round, from 0 where the least is not far above it, never the same.

    >>> reach([0.1, 0.39]), reach([0.31, 0.4]), reach([2.0, 2.0]), reach([])
    ((0.0, 0.4), (0.3, 0.4), (0.0, 4.0), (0.0, 1.0))
    """
    low, high = max(min(values, default=0.0), -HUGE), min(max(values, default=1.0), HUGE)
    size = max(abs(low), abs(high))
    if size < 1 / HUGE:
        return 0.0, 1.0
    if high - low <= 1e-9 * size:  # one value, or nearly
        low, high = min(0.0, 2 * low), max(0.0, 2 * high)
    elif 0 < low < high / 2:
        low = 0.0
    step = apart(low, high)
    return float(f"{math.floor(low / step + 1e-9) * step:.12g}"), float(f"{math.ceil(high / step - 1e-9) * step:.12g}")


DRAWN = 600
"""Points of a curve that are drawn at most: about one for each pixel of a chart."""
SMOOTHED = 12
"""Points from which on a median is drawn over a curve."""


def thin(points: Points, most: int = DRAWN) -> Points:
    """Return at most about ``most`` of the points: of each stretch the least and the greatest, so that peaks stay.

    >>> thin([(step, abs(step - 3)) for step in range(8)], 4)
    [(0, 3), (3, 0), (4, 1), (7, 4)]
    """
    if len(points) <= most:
        return points
    kept: Points = []
    stretches = max(1, most // 2)
    for i in range(stretches):
        part = points[i * len(points) // stretches : (i + 1) * len(points) // stretches]
        finite = [j for j, (_, value) in enumerate(part) if math.isfinite(value)]
        chosen = {min(finite, key=lambda j: part[j][1]), max(finite, key=lambda j: part[j][1])} if finite else {0}
        kept += [part[j] for j in sorted(chosen)]
    return kept


def smooth(points: Points) -> Points:
    """Return the running median of a curve over a twentieth of its points, at least 3, as many on either side.

    Points that are not finite are left out; near both ends the stretch is as short as it has to be.

    >>> smooth([(1, 4.0), (2, 9.0), (3, float("nan")), (4, 5.0), (5, 6.0)])
    [(1, 4.0), (2, 5.0), (4, 6.0), (5, 6.0)]
    """
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    values = np.array([value for _, value in finite], dtype=np.float64)
    side = max(1, round(len(points) / 40))
    last = len(values) - 1
    nearest = ((i, min(i, last - i)) for i in range(last + 1))
    found = [float(np.median(values[i - near : i + near + 1])) for i, near in nearest if near < side]
    if last >= 2 * side:
        found[side:side] = np.median(sliding_window_view(values, 2 * side + 1), axis=1).tolist()
    return [(step, value) for (step, _), value in zip(finite, found, strict=True)]


def most_of(values: Iterable[float]) -> list[float]:
    """Return the finite values that an axis has to hold, in order: all of them, but for a few that lie far outside.

    Those are left out where the 1 % at either end stretch over twice as much as all between them.

    >>> most_of([*range(100), 500])[-1], most_of([*range(100), 150])[-1]
    (98, 150)
    """
    found = sorted(value for value in values if math.isfinite(value))
    cut = -(-len(found) // 100) if len(found) >= 50 else 0
    middle = found[cut : len(found) - cut]
    far = bool(middle) and found[-1] - found[0] > 3 * (middle[-1] - middle[0]) > 0
    return middle if far else found
