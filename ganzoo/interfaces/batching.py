"""Run a network over several batches in one call, for methods that run the same network more than once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def forward_together(network: nn.Module, inputs: list[Tensor]) -> list[Any]:
    """Return a network's output for each of several batches (B, C, H, W), computed in one call.

    A network with batch norm is called once for each batch, because the statistics of the batches would mix. Each
    output is a tensor, or a sequence of tensors if the network returns several.
    """
    if len(inputs) == 1 or any(isinstance(part, nn.modules.batchnorm._BatchNorm) for part in network.modules()):
        return [network(batch) for batch in inputs]
    sizes = [len(batch) for batch in inputs]
    outputs = network(torch.cat(inputs))
    if isinstance(outputs, Tensor):
        return list(outputs.split(sizes))
    return list(zip(*(output.split(sizes) for output in outputs), strict=True))
