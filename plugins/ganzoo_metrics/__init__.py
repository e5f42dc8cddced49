"""Figures that need no other network."""

from __future__ import annotations

from ganzoo import hookimpl
from ganzoo.registry import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the metrics."""
    registry.add("metric", "cycle_l1", "ganzoo_metrics.errors:CycleL1")
    registry.add("metric", "identity_l1", "ganzoo_metrics.errors:IdentityL1")
