"""AttentionGAN (Tang et al. 2019): CycleGAN whose generators change only attended places. Uses ganzoo_cyclegan."""

from __future__ import annotations

from ganzoo import Registration, hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry: Registration) -> None:
    """Register the method and its generator."""
    registry.add(
        "method", "attention_gan", "ganzoo_attention_gan.method:AttentionGAN", paper="https://arxiv.org/abs/1911.11897"
    )
    registry.add("generator", "attention", "ganzoo_attention_gan.generator:AttentionGenerator")
