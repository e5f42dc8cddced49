"""SimGAN (Shrivastava et al., CVPR 2017): a refiner of simulated images that keeps what they show; and its networks.

Uses the packages ganzoo_cyclegan (layers) and ganzoo_munit (weight initialization).
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its generator and its discriminator."""
    registry.add("method", "simgan", "ganzoo_simgan.method:SimGAN", paper="https://arxiv.org/abs/1612.07828")
    registry.add("generator", "refiner", "ganzoo_simgan.networks:Refiner")
    registry.add("discriminator", "local_patch", "ganzoo_simgan.networks:LocalPatch")
