"""Auxiliary losses that attach to any method. Uses the package ganzoo_maskers to read weights files."""

from __future__ import annotations

from pathlib import Path

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the losses, and list the weights that they use."""
    registry.add_weights(Path(__file__).with_name("weights.toml"))
    registry.add("loss", "l1", "ganzoo_losses.pixels:L1")
    registry.add("loss", "total_variation", "ganzoo_losses.pixels:TotalVariation")
    registry.add("loss", "perceptual", "ganzoo_losses.perceptual:Perceptual")
