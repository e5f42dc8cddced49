"""Baselines: pix2pix, UNIT, DRIT++, CUT, NEGCUT, DCLGAN, Gatys and untranslated images, with their networks.

Uses the packages ganzoo_cyclegan (networks), ganzoo_munit (encoder, decoder), ganzoo_losses (VGG).
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the methods and their networks."""
    registry.add("method", "pix2pix", "ganzoo_baselines.pix2pix:Pix2Pix", paper="https://arxiv.org/abs/1611.07004")
    registry.add("method", "unit", "ganzoo_baselines.unit:UNIT", paper="https://arxiv.org/abs/1703.00848")
    registry.add("method", "drit", "ganzoo_baselines.drit:DRIT", paper="https://arxiv.org/abs/1808.00948")
    registry.add("method", "cut", "ganzoo_baselines.cut:CUT", paper="https://arxiv.org/abs/2007.15651")
    registry.add("method", "fastcut", "ganzoo_baselines.cut:FastCUT", paper="https://arxiv.org/abs/2007.15651")
    registry.add("method", "negcut", "ganzoo_baselines.negcut:NEGCUT", paper="https://arxiv.org/abs/2108.04547")
    registry.add("method", "dclgan", "ganzoo_baselines.dclgan:DCLGAN", paper="https://arxiv.org/abs/2104.07689")
    registry.add("method", "untranslated", "ganzoo_baselines.untranslated:Untranslated")
    registry.add("method", "gatys", "ganzoo_baselines.gatys:Gatys")
    registry.add("generator", "smooth_resnet", "ganzoo_baselines.antialiased:SmoothResNet")
    registry.add("discriminator", "smooth_patch", "ganzoo_baselines.antialiased:SmoothPatch")
    registry.add("generator", "unit", "ganzoo_baselines.unit_network:UNITGenerator")
    registry.add("generator", "drit", "ganzoo_baselines.drit_network:DRITGenerator")
