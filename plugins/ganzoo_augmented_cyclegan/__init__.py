"""Augmented CycleGAN (Almahairi et al., ICML 2018): CycleGAN with styles, so that one image has many translations.

Uses the package ganzoo_cyclegan: layers, weight initialization.
"""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method, its generator and its discriminator."""
    registry.add(
        "method",
        "augmented_cyclegan",
        "ganzoo_augmented_cyclegan.method:AugmentedCycleGAN",
        paper="https://arxiv.org/abs/1802.10151",
    )
    registry.add("generator", "style_resnet", "ganzoo_augmented_cyclegan.resnet:StyleResNet")
    registry.add("discriminator", "affine_patch", "ganzoo_augmented_cyclegan.patch:AffinePatch")
