"""Run a network over several batches in one call; methods whose passes share a network use it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def forward_together(network: nn.Module, inputs: list[Tensor]) -> list[Any]:
    """Return a network's output for each of several batches (B, C, H, W), computed in one call.

    Networks with batch norm are called once for each batch, because their statistics would mix. An output is a tensor,
    or a sequence of tensors for a network that returns several.
    """
    if len(inputs) == 1 or any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
        return [network(batch) for batch in inputs]
    sizes = [len(batch) for batch in inputs]
    outputs = network(torch.cat(inputs))
    if isinstance(outputs, Tensor):
        return list(outputs.split(sizes))
    return list(zip(*(output.split(sizes) for output in outputs), strict=True))
