"""SMCycleGAN (Yin 2023): CycleGAN whose discriminators see masked images. Uses the package ganzoo_cyclegan."""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the method."""
    registry.add("method", "smcyclegan", "ganzoo_smcyclegan.method:SMCycleGAN")
