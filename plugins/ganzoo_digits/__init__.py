"""The data set ``striped_digits``, horse → zebra in miniature, and the metric ``digits`` that measures success."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo.registry import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the data set and its metric."""
    registry.add("dataset", "striped_digits", "ganzoo_digits.dataset:StripedDigits")
    registry.add("metric", "digits", "ganzoo_digits.metric:DigitsMetric")
