"""CycleGAN (Zhu et al., ICCV 2017): the method, its networks, and layers that related methods use."""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its generators and its discriminators."""
    registry.add("method", "cyclegan", "ganzoo_cyclegan.method:CycleGAN", paper="https://arxiv.org/abs/1703.10593")
    registry.add("generator", "resnet", "ganzoo_cyclegan.resnet:ResNet")
    registry.add("generator", "unet", "ganzoo_cyclegan.unet:UNet")
    registry.add("discriminator", "patch", "ganzoo_cyclegan.patch:Patch")
    registry.add("discriminator", "pixel", "ganzoo_cyclegan.pixel:Pixel")
