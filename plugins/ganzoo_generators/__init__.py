"""Further generators that any method for translations can use: ``timm_unet``, ``stylegan2_resnet`` and ``nafnet``.

Uses the packages ganzoo_cyclegan (layers) and ganzoo_maskers (weights of timm's networks).
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the generators."""
    registry.add("generator", "nafnet", "ganzoo_generators.nafnet:NAFNet")
    registry.add("generator", "stylegan2_resnet", "ganzoo_generators.stylegan2_resnet:StyleGAN2ResNet")
    registry.add("generator", "timm_unet", "ganzoo_generators.timm_unet:TimmUNet")
