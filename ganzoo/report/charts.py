"""Draw charts of a run's log as SVG: choose axes, leave out outliers, downsample and smooth curves."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from markupsafe import Markup
from numpy.lib.stride_tricks import sliding_window_view

from ganzoo.report.metrics_log import Point, Points
from ganzoo.report.templates import render

WIDTH, HEIGHT = 460, 210
"""Size of a chart, in the pixels of its SVG; all lengths of this module are in these pixels."""
LEFT, RIGHT, TOP, BOTTOM = 46, 18, 10, 24
"""Space between the chart's edges and its axes."""
COLOUR_COUNT = 6
"""Number of colours of curves in page.css; their classes are c0, c1, …"""
MAX_DOTS = 40
"""Largest number of points of a curve for which each point is drawn as a dot."""
MAX_POINTS = 600
"""Largest number of points that are drawn of a curve."""
MIN_SMOOTHED = 12
"""Smallest number of points of a curve for which its running median is drawn."""
MAX_NUMBERS = 1 << 18
"""Largest number of numbers that the running median sorts at a time."""
MAX_AXIS = 1e100
"""Largest absolute value on an axis. If all values are smaller than 1 / MAX_AXIS, they count as 0."""


@dataclass(frozen=True)
class Chart:
    """What one chart shows.

    Args:
        title: the text above the chart.
        curves: name of a curve → its points.
        last_step: the step at which the axis of steps ends.
        smoothed: whether to draw running medians of the curves that have enough points.
        marks: step → name of what happened at it; each is drawn as a vertical line.
        best: the name of a curve and the step of its point to mark; None if there is none.
        from_zero: whether the axis of values must include 0.
    """

    title: str
    curves: Mapping[str, Points]
    last_step: float
    smoothed: bool = False
    marks: Mapping[float, str] = field(default_factory=dict)
    best: tuple[str, float] | None = None
    from_zero: bool = False


@dataclass(frozen=True)
class Axes:
    """The ranges of a chart's axes: steps from 0 to ``last_step``, values from ``low`` to ``high``."""

    last_step: float
    low: float
    high: float

    def x(self, step: float) -> str:
        """Return the horizontal position of a step in the chart, in pixels, as text."""
        return f"{LEFT + (WIDTH - LEFT - RIGHT) * step / self.last_step:.1f}"

    def y(self, value: float) -> str:
        """Return the vertical position of a value in the chart, in pixels, as text.

        A value outside the range gets a position just outside the axis.
        """
        share = (value - self.low) / (self.high - self.low)
        return f"{TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(max(share, -0.03), 1.03)):.1f}"


class Tick(NamedTuple):
    """A round number on an axis: its position in pixels, and its text."""

    at: str
    label: str


class Mark(NamedTuple):
    """A vertical line where something happened: its position in pixels, the event's name, and the text shown for it."""

    at: str
    event: str
    label: str


class Dot(NamedTuple):
    """A point of a curve: its position in pixels, and the text that the browser shows for it."""

    x: str
    y: str
    label: str = ""


@dataclass(frozen=True)
class Curve:
    """A curve as ``chart.html`` draws it.

    Args:
        name: the curve's full name.
        label: the curve's name in the legend; empty if the chart has only one curve.
        last: the curve's last value, as text.
        colour: the curve's CSS class.
        path: the SVG path through the curve's points.
        points: the numbers, as JSON, for the values under the mouse pointer.
        median: the SVG path of the running median; empty if it is not drawn.
        dots: the points of a short curve, drawn as dots; empty for other curves.
        best: the point to mark; None if there is none.
    """

    name: str
    label: str
    last: str
    colour: str
    path: str
    points: str
    median: str
    dots: list[Dot]
    best: Dot | None


def draw_chart(chart: Chart) -> Markup:
    """Return a chart as an HTML ``figure``: title, legend with the last values, and the SVG."""
    values = [value for points in chart.curves.values() for _, value in points]
    low, high = axis_range([*without_outliers(values), *([0.0] if chart.from_zero else [])])
    axes = Axes(chart.last_step or 1.0, low, high)
    return render(
        "chart.html",
        title=chart.title,
        description=f"{chart.title}: " + "; ".join(_describe(*item) for item in chart.curves.items()),
        width=WIDTH,
        height=HEIGHT,
        left=LEFT,
        right=WIDTH - RIGHT,
        top=TOP,
        bottom=HEIGHT - BOTTOM,
        axis=json.dumps([LEFT, WIDTH - RIGHT, axes.last_step]),
        value_ticks=[Tick(axes.y(value), format_tick(value)) for value in ticks(axes.low, axes.high)],
        step_ticks=[Tick(axes.x(step), format_tick(step)) for step in ticks(0, axes.last_step)],
        marks=[
            Mark(axes.x(step), event, f"{event}: step {step:g}")
            for step, event in chart.marks.items()
            if 0 <= step <= axes.last_step
        ],
        curves=[_curve(chart, axes, i, name) for i, name in enumerate(chart.curves)],
        note=_outlier_note(values, axes),
    )


def _curve(chart: Chart, axes: Axes, index: int, name: str) -> Curve:
    points = chart.curves[name]
    drawn = downsample(points)
    smoothed = chart.smoothed and len(points) >= MIN_SMOOTHED
    numbers = [[step, float(f"{value:.6g}") if math.isfinite(value) else None] for step, value in drawn]
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    few = not smoothed and len(points) <= MAX_DOTS
    best = [
        Dot(axes.x(step), axes.y(value), f"best: {format_number(value)} at step {step:g}")
        for step, value in finite
        if (name, step) == chart.best
    ]
    return Curve(
        name=name,
        label=f"{name.removeprefix(f'{chart.title}_')} " if len(chart.curves) > 1 else "",
        last=format_number(points[-1][1]),
        colour=f"c{index % COLOUR_COUNT}",
        path=_path(axes, drawn),
        points=json.dumps(numbers, separators=(",", ":")),
        median=_path(axes, downsample(running_median(points))) if smoothed else "",
        dots=[Dot(axes.x(step), axes.y(value)) for step, value in finite] if few else [],
        best=best[0] if best else None,
    )


def _path(axes: Axes, points: Points) -> str:
    """Return an SVG path through points; it breaks where a value is not finite."""
    commands, command = [], "M"
    for step, value in points:
        if math.isfinite(value):
            commands.append(f"{command}{axes.x(step)} {axes.y(value)}")
            command = "L"
        else:
            command = "M"
    return "".join(commands)


def _describe(name: str, points: Points) -> str:
    """Return a text with the first and the last value of a curve, for readers who do not see the chart."""
    (first, value), (last, end) = points[0], points[-1]
    return f"{name} {format_number(value)} at step {first:g}, {format_number(end)} at step {last:g}"


def _outlier_note(values: Sequence[float], axes: Axes) -> str:
    """Return a text about values outside the axis and values that are not finite; empty if there are none."""
    finite = [value for value in values if math.isfinite(value)]
    outside = [value for value in finite if not axes.low <= value <= axes.high]
    parts = []
    if outside:
        lowest, highest = format_number(min(outside)), format_number(max(outside))
        parts.append(f"{len(outside)} beyond the axis, from {lowest} to {highest}")
    if len(finite) < len(values):
        parts.append(f"{len(values) - len(finite)} not finite")
    return f"{len(values)} values: {', '.join(parts)}" if parts else ""


def group_by_stem(names: Sequence[str]) -> dict[str, list[str]]:
    """Return groups of names that differ only in the domain or direction at their end: common beginning → names.

    A name without such a partner is a group of its own.

    >>> group_by_stem(["gan_AB", "cycle_A", "gan_BA", "total"])
    {'gan': ['gan_AB', 'gan_BA'], 'cycle_A': ['cycle_A'], 'total': ['total']}
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        stem, _, end = name.rpartition("_")
        groups.setdefault(stem if stem and end in ("A", "B", "AB", "BA", "AA") else name, []).append(name)
    titled: dict[str, list[str]] = {}
    for stem, group in groups.items():
        titled.setdefault(stem if len(group) > 1 else group[0], []).extend(group)
    return titled


def tick_spacing(low: float, high: float, count: int = 5) -> float:
    """Return the spacing of at most about ``count`` round numbers between two values, ``low`` < ``high``.

    It is 1, 2 or 5 times a power of ten.

    >>> tick_spacing(0, 640), tick_spacing(0.13, 0.52)
    (200.0, 0.1)
    """
    rough = (high - low) / count
    power = 10.0 ** math.floor(math.log10(rough))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def ticks(low: float, high: float) -> list[float]:
    """Return the round numbers within [``low``, ``high``] that an axis shows; ``low`` must be less than ``high``.

    >>> ticks(0, 640), ticks(0.13, 0.52)
    ([0.0, 200.0, 400.0, 600.0], [0.2, 0.3, 0.4, 0.5])
    """
    step = tick_spacing(low, high)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [float(f"{i * step:.12g}") for i in range(first, last + 1)]


def format_tick(value: float) -> str:
    """Return a number as a short text for an axis, with the letter k, M or G if it is large.

    >>> [format_tick(value) for value in (0.0, 0.25, 20000, 1500000, 2e-05)]
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
    """Return a number as text with four significant digits, for tables, legends and hints.

    >>> format_number(0.24512), format_number(100), format_number(1230987264), format_number(float("nan"))
    ('0.2451', '100', '1.231G', 'not a number')
    """
    if math.isnan(value):
        return "not a number"
    return format_tick(float(f"{value:.4g}")) if 1e5 <= abs(value) < 1e15 else f"{value:.4g}"


def axis_range(values: Sequence[float]) -> tuple[float, float]:
    """Return the two ends of an axis for finite values: different round numbers, the lower one first.

    The axis starts at 0 if the lowest value is positive and less than half of the highest. Without values it is (0, 1).

    >>> axis_range([0.1, 0.39]), axis_range([0.31, 0.4]), axis_range([2.0, 2.0]), axis_range([])
    ((0.0, 0.4), (0.3, 0.4), (0.0, 4.0), (0.0, 1.0))
    """
    low, high = max(min(values, default=0.0), -MAX_AXIS), min(max(values, default=1.0), MAX_AXIS)
    size = max(abs(low), abs(high))
    if size < 1 / MAX_AXIS:
        return 0.0, 1.0
    if high - low <= 1e-9 * size:  # one value, or nearly
        low, high = min(0.0, 2 * low), max(0.0, 2 * high)
    elif 0 < low < high / 2:
        low = 0.0
    step = tick_spacing(low, high)
    return float(f"{math.floor(low / step + 1e-9) * step:.12g}"), float(f"{math.ceil(high / step - 1e-9) * step:.12g}")


def downsample(points: Points, most: int = MAX_POINTS) -> Points:
    """Return at most ``most`` of the points, so that peaks stay visible.

    If there are more, only the lowest and the highest finite point of each of ``most // 2`` intervals are returned, and
    of an interval without finite points the first.

    >>> downsample([(step, abs(step - 3)) for step in range(8)], 4)
    [(0, 3), (3, 0), (4, 1), (7, 4)]
    """
    if len(points) <= most:
        return points
    selected: list[Point] = []
    intervals = max(1, most // 2)
    for i in range(intervals):
        part = points[i * len(points) // intervals : (i + 1) * len(points) // intervals]
        finite = [j for j, (_, value) in enumerate(part) if math.isfinite(value)]
        extremes = {min(finite, key=lambda j: part[j][1]), max(finite, key=lambda j: part[j][1])} if finite else {0}
        selected += [part[j] for j in sorted(extremes)]
    return selected


def running_median(points: Points) -> Points:
    """Return the running median of a curve: at each point, the median of about a twentieth of all points around it.

    The window has at least 3 points, the same number before and after; near both ends it is shorter. Points that are
    not finite are left out.

    >>> running_median([(1, 4.0), (2, 9.0), (3, float("nan")), (4, 5.0), (5, 6.0)])
    [(1, 4.0), (2, 5.0), (4, 6.0), (5, 6.0)]
    """
    finite = [(step, value) for step, value in points if math.isfinite(value)]
    values = np.array([value for _, value in finite], dtype=np.float64)
    side = max(1, round(len(points) / 40))
    last = len(values) - 1
    nearest = ((i, min(i, last - i)) for i in range(last + 1))
    medians = [float(np.median(values[i - near : i + near + 1])) for i, near in nearest if near < side]
    if last >= 2 * side:
        windows = sliding_window_view(values, 2 * side + 1)
        rows = max(1, MAX_NUMBERS // windows.shape[1])  # median copies the windows: all at once would fill the memory
        parts = [np.median(windows[i : i + rows], axis=1) for i in range(0, len(windows), rows)]
        medians[side:side] = np.concatenate(parts).tolist()
    return [(step, value) for (step, _), value in zip(finite, medians, strict=True)]


def without_outliers(values: Iterable[float]) -> list[float]:
    """Return the finite values that an axis must show, sorted: all of them, except a few that lie far outside.

    From 50 values on, 1 % at each end are left out if they make the range more than three times as wide.

    >>> without_outliers([*range(100), 500])[-1], without_outliers([*range(100), 150])[-1]
    (98, 150)
    """
    finite = sorted(value for value in values if math.isfinite(value))
    cut = -(-len(finite) // 100) if len(finite) >= 50 else 0
    middle = finite[cut : len(finite) - cut]
    far = bool(middle) and finite[-1] - finite[0] > 3 * (middle[-1] - middle[0]) > 0
    return middle if far else finite
