"""What all textbook steps share: random images, networks by name, optimizers, autocast and the usual losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from itertools import chain
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class TextbookStep(ABC):
    """Trains on the same random images over and over; each call is a step.

    ``networks`` and ``optimizers`` have the names that ganzoo's method gives them.

    Args:
        size: side of the images, in pixels.
        bf16: whether the networks run under autocast in bf16, as anyone would add it.
        images: number of images of each domain.
    """

    def __init__(self, size: int, bf16: bool, images: int = 1) -> None:
        torch.manual_seed(0)
        self.bf16 = bf16
        self.real_a, self.real_b = (torch.rand(images, 3, size, size) * 2 - 1 for _ in range(2))
        self.networks: dict[str, Any] = {}
        self.optimizers: dict[str, torch.optim.Adam] = {}

    @abstractmethod
    def __call__(self) -> None:
        """Train one step."""

    def add_adam(self, name: str, networks: tuple[str, ...], lr: float = 2e-4, weight_decay: float = 0.0) -> None:
        """Add an optimizer of some of the networks: Adam with β₁ = 0.5."""
        weights = list(chain.from_iterable(self.networks[network].parameters() for network in networks))
        self.optimizers[name] = torch.optim.Adam(weights, lr, (0.5, 0.999), weight_decay=weight_decay)

    def train_only(self, *optimizers: str) -> None:
        """Freeze all weights but those of some optimizers, and clear their gradients."""
        for network in self.networks.values():
            network.requires_grad_(False)
        for name in optimizers:
            for weight in self.optimizers[name].param_groups[0]["params"]:
                weight.requires_grad_(True)
            self.optimizers[name].zero_grad()

    def autocast(self) -> torch.autocast:
        """Return the context in which networks run."""
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def normal(self, *shape: int) -> Tensor:
        """Return random numbers N(0, 1)."""
        return torch.randn(*shape)


def squares(logits: Tensor, target: float) -> Tensor:
    """Return the least-squares loss of a map of logits: the mean of (logit − target)², in float32."""
    return F.mse_loss(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


def cross_entropy(logits: Tensor, target: float) -> Tensor:
    """Return the vanilla GAN loss of a map of logits, in float32."""
    return F.binary_cross_entropy_with_logits(logits.float(), torch.full_like(logits, target, dtype=torch.float32))


def l1(one: Tensor, other: Tensor) -> Tensor:
    """Return the mean absolute difference, in float32."""
    return F.l1_loss(one.float(), other.float())
