"""MUNIT (Huang et al., ECCV 2018): the method and its networks, which separate content and style.

Uses the package ganzoo_cyclegan: norms, padding, discriminator terms.
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its generator and its discriminator."""
    registry.add("method", "munit", "ganzoo_munit.method:MUNIT", paper="https://arxiv.org/abs/1804.04732")
    registry.add("generator", "munit", "ganzoo_munit.autoencoder:MUNITGenerator")
    registry.add("discriminator", "multiscale", "ganzoo_munit.multiscale:MultiScale")
