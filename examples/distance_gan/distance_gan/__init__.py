"""A plugin for ganzoo: the method ``distance_gan``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ganzoo import hookimpl

if TYPE_CHECKING:
    from ganzoo import Registration

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the method; its module is imported when a recipe first uses it."""
    registry.add("method", "distance_gan", "distance_gan.method:DistanceGAN")
