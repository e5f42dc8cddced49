"""Fewer points and smoother ones, without inventing any: which points of a curve are drawn, and its running median."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ganzoo.report.reading import Points

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
