"""StarGAN v2 (Choi et al., CVPR 2020): one generator for all domains, with styles from noise or from a reference.

Uses the package ganzoo_cyclegan (layers).
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method and its networks."""
    registry.add("method", "starganv2", "ganzoo_stargan.method:StarGANv2", paper="https://arxiv.org/abs/1912.01865")
    registry.add("generator", "starganv2", "ganzoo_stargan.generator:StarGenerator")
    registry.add("discriminator", "starganv2", "ganzoo_stargan.discriminator:StarDiscriminator")
