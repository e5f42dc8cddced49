"""U-GAT-IT (Kim et al., ICLR 2020): CycleGAN with class activation maps and AdaLIN. Uses ganzoo_cyclegan."""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its generator and its discriminator."""
    registry.add("method", "ugatit", "ganzoo_ugatit.method:UGATIT", paper="https://arxiv.org/abs/1907.10830")
    registry.add("generator", "ugatit", "ganzoo_ugatit.generator:UGATITGenerator")
    registry.add("discriminator", "ugatit", "ganzoo_ugatit.discriminator:UGATITDiscriminator")
