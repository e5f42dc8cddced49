"""An exponential moving average of networks, which is used for samples, metrics and translation."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import nn


class Averaged:
    """Averaged copies of networks: w̄ ← decay·w̄ + (1 − decay)·w at each ``update``; buffers are copied unchanged.

    The averages are in ``networks``; they start as copies of the trained networks.

    Args:
        networks: name → the network that is trained.
        decay: the weight of the old average, 0 … 1, for example 0.999; with 0 the average is a copy of the weights.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.sources = dict(networks)
        self.decay = decay
        self.networks = {name: deepcopy(network).requires_grad_(False) for name, network in networks.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Update the averages with the current weights of the trained networks."""
        for name, source in self.sources.items():
            average = self.networks[name]
            if any(True for _ in source.parameters()):  # a fixed network may have none
                torch._foreach_lerp_(list(average.parameters()), list(source.parameters()), 1 - self.decay)
            for averaged, current in zip(average.buffers(), source.buffers(), strict=True):
                averaged.copy_(current)  # running means and counts are averages already
