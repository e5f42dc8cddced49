"""Discriminators: of StyleGAN2, U-Net GAN and Projected GANs, and any discriminator at several image sizes.

It uses layers of ``ganzoo_cyclegan`` and ``ganzoo_generators``; ``ganzoo_maskers.pretrained`` finds and reads weights.
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Add the discriminators."""
    registry.add("discriminator", "projected", "ganzoo_discriminators.projected:Projected")
    registry.add("discriminator", "pyramid", "ganzoo_discriminators.pyramid:Pyramid")
    registry.add("discriminator", "stylegan2", "ganzoo_discriminators.stylegan2:StyleGAN2")
    registry.add("discriminator", "unet_discriminator", "ganzoo_discriminators.unet:UNetDiscriminator")
