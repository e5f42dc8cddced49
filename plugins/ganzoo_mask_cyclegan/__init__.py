"""Mask CycleGAN (Wang): CycleGAN whose generators see a mask. Uses the package ganzoo_cyclegan."""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method."""
    registry.add(
        "method", "mask_cyclegan", "ganzoo_mask_cyclegan.method:MaskCycleGAN", paper="https://arxiv.org/abs/2205.06969"
    )
