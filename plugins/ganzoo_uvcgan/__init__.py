"""UVCGAN and UVCGANv2 (Torbunov et al., WACV 2023 and arXiv 2303.16280): methods, generator, discriminator.

Uses the package ganzoo_cyclegan (method, layers).
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the methods and their networks."""
    registry.add("method", "uvcgan2", "ganzoo_uvcgan.method:UVCGAN2", paper="https://arxiv.org/abs/2303.16280")
    registry.add(
        "method", "inpainting", "ganzoo_uvcgan.inpainting:Inpainting", paper="https://arxiv.org/abs/2203.02557"
    )
    registry.add("generator", "vit_unet", "ganzoo_uvcgan.generator:ViTUNet")
    registry.add("discriminator", "batch_head", "ganzoo_uvcgan.discriminator:BatchHead")
