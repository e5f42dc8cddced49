"""Axes with sensible numbers, and numbers as they are shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

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


def figure(value: float) -> str:
    """Return a number of a table: four digits that count, as at the end of a run.

    >>> figure(0.24512), figure(100), figure(1230987264), figure(float("nan"))
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
