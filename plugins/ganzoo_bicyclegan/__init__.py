"""BicycleGAN (Zhu et al., NeurIPS 2017): several translations of one image, learned from pairs; and its networks.

Uses the packages ganzoo_cyclegan (layers, PatchGAN) and ganzoo_baselines (weight initialization).
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its generator and its discriminator."""
    registry.add(
        "method", "bicyclegan", "ganzoo_bicyclegan.method:BicycleGAN", paper="https://arxiv.org/abs/1711.11586"
    )
    registry.add("generator", "style_unet", "ganzoo_bicyclegan.unet:StyleUNet")
    registry.add("discriminator", "patch_pyramid", "ganzoo_bicyclegan.patches:PatchPyramid")
