"""CoGAN (Liu and Tuzel, NeurIPS 2016): pairs of images from one noise, and translations by searching for the noise.

Uses the package ganzoo_cyclegan: layers.
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, which builds its networks itself."""
    registry.add("method", "cogan", "ganzoo_cogan.method:CoGAN", paper="https://arxiv.org/abs/1606.07536")
