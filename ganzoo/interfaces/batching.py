"""Run a network over several batches in one call; methods whose passes share a network use it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def forward_together(network: nn.Module, inputs: list[Tensor]) -> list[Any]:
    """Run a network over several batches in one call; one by one where batch norm would mix their statistics.

    What it gives for each, a tensor, or a list of them from a discriminator of several scales, is given back apart.
    """
    if len(inputs) == 1 or any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
        return [network(one) for one in inputs]
    sizes = [len(one) for one in inputs]
    made = network(torch.cat(inputs))
    if isinstance(made, Tensor):
        return list(made.split(sizes))
    return list(zip(*(one.split(sizes) for one in made), strict=True))
