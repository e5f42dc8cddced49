"""The data set ``striped_digits``, a small horse → zebra task, and its metrics.

Uses the package ganzoo_metrics for the Fréchet distance.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the data set and its metrics."""
    registry.add("dataset", "striped_digits", "ganzoo_digits.dataset:StripedDigits")
    registry.add("metric", "digits", "ganzoo_digits.metric:DigitsMetric")
    registry.add("metric", "digits_distance", "ganzoo_digits.metric:DigitsDistance")
