"""An exponential moving average of networks, used for samples, metrics and translation."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import nn


class Averaged:
    """Averaged copies of networks: w̄ ← decay·w̄ + (1 − decay)·w after each step; buffers are copied as they are.

    Args:
        networks: name → the network that is trained.
        decay: 0.999, say; 0 would copy the weights.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.sources = dict(networks)
        self.decay = decay
        self.networks = {name: deepcopy(network).requires_grad_(False) for name, network in networks.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take the sources' weights in."""
        for name, source in self.sources.items():
            average = self.networks[name]
            torch._foreach_lerp_(list(average.parameters()), list(source.parameters()), 1 - self.decay)
            for kept, new in zip(average.buffers(), source.buffers(), strict=True):
                kept.copy_(new)  # running means and counts are averages already
