"""Charts: they show exactly the logged numbers."""

from __future__ import annotations

import json
import math
import random
import re
import statistics
import tracemalloc
from xml.etree.ElementTree import Element, fromstring

import pytest

from ganzoo.report.charts import (
    BOTTOM,
    HEIGHT,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    Chart,
    axis_range,
    downsample,
    draw_chart,
    group_by_stem,
    running_median,
)

Points = list[tuple[float, float]]


def draw(chart: Chart) -> Element:
    """Draw a chart and parse it."""
    return fromstring(draw_chart(chart))


def paths(figure: Element, name: str) -> list[Element]:
    return [path for path in figure.iter("path") if name in str(path.get("class")).split()]


def positions(path: Element) -> list[tuple[float, float]]:
    """Return the points of a path, in pixels."""
    pairs = re.findall(r"[ML](-?[\d.]+) (-?[\d.]+)", str(path.get("d")))
    return [(float(x), float(y)) for x, y in pairs]


def test_a_curve_goes_through_its_points() -> None:
    points: Points = [(10, 0.1), (20, 0.35), (30, 0.2), (50, 0.4)]
    (path,) = paths(draw(Chart("loss", {"a": points}, 50)), "own")
    low, high = axis_range([value for _, value in points])
    assert json.loads(str(path.get("data-points"))) == [list(one) for one in points]
    for (step, value), (x, y) in zip(points, positions(path), strict=True):
        assert x == pytest.approx(LEFT + (WIDTH - LEFT - RIGHT) * step / 50, abs=0.06)
        assert y == pytest.approx(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (value - low) / (high - low), abs=0.06)


def test_each_curve_has_its_own_colour_its_last_value_and_its_dots() -> None:
    curves: dict[str, Points] = {"gan_AB": [(1, 1.0), (2, 2.0)], "gan_BA": [(1, 3.0), (2, 0.123456)]}
    figure = draw(Chart("gan", curves, 2))
    assert [one.get("class") for one in figure.iter("path")] == ["c0 own", "c1 own"]
    assert [one.text for one in figure.iter("output")] == ["2", "0.1235"]
    assert [str(one.get("title")) for one in figure.iter("span") if one.get("title")] == list(curves)
    assert len(list(figure.iter("circle"))) == 4
    (svg,) = figure.iter("svg")
    assert svg.get("aria-label") == "gan: gan_AB 1 at step 1, 2 at step 2; gan_BA 3 at step 1, 0.1235 at step 2"


def test_a_curve_breaks_where_a_value_is_not_finite() -> None:
    points: Points = [(1, 1.0), (2, math.nan), (3, 1.0), (4, 2.0), (5, math.inf)]
    figure = draw(Chart("loss", {"a": points}, 5))
    (path,) = paths(figure, "own")
    assert re.sub(r"[\d. -]", "", str(path.get("d"))) == "MML"
    numbers = json.loads(str(path.get("data-points")), parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))
    assert numbers == [[1, 1], [2, None], [3, 1], [4, 2], [5, None]]
    assert [one.text for one in figure.iter("small")] == ["5 values: 2 not finite"]


def test_a_curve_without_finite_values_is_empty() -> None:
    figure = draw(Chart("loss", {"a": [(1, math.nan)]}, 1, smoothed=True))
    assert [one.get("d") for one in figure.iter("path")] == [""]
    assert [one.text for one in figure.iter("output")] == ["not a number"]


def test_the_smoothed_curve_is_the_running_median_over_a_twentieth() -> None:
    draws = random.Random(0)
    points: Points = [(step, draws.random()) for step in range(200)]
    points[50] = (50, math.nan)
    medians = dict(running_median(points))
    assert len(medians) == 199 and 50 not in medians
    for step, near in ((0, [0]), (3, range(7)), (47, [*range(42, 50), 51, 52, 53]), (120, range(115, 126))):
        assert medians[step] == statistics.median(points[i][1] for i in near)
    (raw,), (median,) = (paths(draw(Chart("l", {"a": points}, 199, smoothed=True)), one) for one in ("raw", "smooth"))
    assert len(positions(raw)) == len(positions(median)) == 199
    assert paths(draw(Chart("l", {"a": points[:11]}, 199, smoothed=True)), "smooth") == []


def test_a_long_curve_is_downsampled_to_logged_points_and_keeps_its_peaks() -> None:
    draws = random.Random(0)
    points: Points = [(step, draws.random()) for step in range(10000)]
    points[4321], points[4323] = (4321, 7.0), (4323, -7.0)
    drawn = downsample(points)
    assert 300 <= len(drawn) <= 600
    assert set(drawn) <= set(points) and drawn == sorted(drawn)
    assert {points[4321], points[4323]} <= set(drawn)


def test_a_single_peak_does_not_flatten_the_rest_and_is_reported() -> None:
    points: Points = [(step, 0.5 + step / 1000) for step in range(200)]
    points[100] = (100, 900.0)
    figure = draw(Chart("loss", {"a": points}, 199))
    numbers = [float(one.text or "") for one in figure.iter("text") if one.get("text-anchor") == "end"]
    assert max(numbers) < 1
    assert [one.text for one in figure.iter("small")] == ["200 values: 1 beyond the axis, from 900 to 900"]
    (path,) = paths(figure, "own")
    assert min(y for _, y in positions(path)) >= 0


def test_marks_and_the_best_point_are_at_their_steps() -> None:
    chart = Chart("f", {"f": [(0, 1.0), (5, 0.5), (10, 0.7)]}, 10, marks={5: "best", 99: "resumed"}, best=("f", 5))
    figure = draw(chart)
    (mark,) = [one for one in figure.iter("line") if "mark" in str(one.get("class"))]
    (ring,) = [one for one in figure.iter("circle") if one.get("class") == "best"]
    assert mark.get("x1") == mark.get("x2") == ring.get("cx") == f"{LEFT + (WIDTH - LEFT - RIGHT) / 2:.1f}"
    assert [one.text for one in figure.iter("title")] == ["best: step 5", "best: 0.5 at step 5"]


def test_axes_have_round_numbers_within_the_chart() -> None:
    figure = draw(Chart("f", {"f": [(0, 0.131), (64000, 0.517)]}, 64000))
    assert [one.text for one in figure.iter("text")] == [
        "0", "0.2", "0.4", "0.6", "0", "20k", "40k", "60k"
    ]  # fmt: skip
    for one in figure.iter("text"):
        assert 0 <= float(str(one.get("x"))) <= WIDTH and 0 <= float(str(one.get("y"))) <= HEIGHT


def test_an_axis_may_start_at_0() -> None:
    for from_zero, lowest in ((False, "0.95"), (True, "0")):
        figure = draw(Chart("f", {"f": [(0, 0.95), (1, 1.0)]}, 1, from_zero=from_zero))
        assert next(one.text for one in figure.iter("text") if one.get("text-anchor") == "end") == lowest


@pytest.mark.parametrize("values", [[-1e308, 1e308], [5e-324, 1e-323], [0.0, 0.0], [-3.0, -3.0], [1e9, 1e9 + 1e-6]])
def test_any_numbers_have_axes(values: list[float]) -> None:
    low, high = axis_range(values)
    assert low < high and math.isfinite(high - low)
    assert draw(Chart("f", {"f": list(enumerate(values))}, 1)).tag == "figure"


def test_the_running_median_of_a_long_curve_takes_little_memory() -> None:
    """All windows at once would be 10,000 × 501 numbers, 40 MB."""
    points = [(step, float(step % 7)) for step in range(10_000)]
    tracemalloc.start()
    try:
        medians = running_median(points)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(medians) == 10_000 and {value for _, value in medians[500:-500]} == {3.0}
    assert peak < 12 << 20


def test_a_name_that_is_also_the_beginning_of_others_keeps_its_curve() -> None:
    names = ["cycle_A", "cycle_A_AB", "cycle_A_BA"]
    assert group_by_stem(names) == {"cycle_A": names}
