"""Run a network with batch norm and dropout in training mode, to translate as pix2pix's paper does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ganzoo.interfaces import Step


def forward_in_training_mode(network: nn.Module, images: Tensor, step: Step) -> Tensor:
    """Return a network's output for images (B, C, H, W), with batch norm and dropout as in training.

    The network must be in eval mode, and stays so. Images pass one at a time: batch norm uses the statistics of that
    image, and dropout is keyed by the step's seed and index and the sample. Torch's random generators are restored.
    """
    seeds, outputs = step.torch_seeds("dropout"), []
    with _training_layers(network), torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
        for image, seed in zip(images.split(1), seeds, strict=True):
            torch.manual_seed(seed)
            outputs.append(network(image))
    return torch.cat(outputs)


@contextmanager
def _training_layers(network: nn.Module) -> Iterator[None]:
    """Let batch norms use their input's statistics, without saving them, and let dropout act, in a ``with`` block."""
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    dropouts = [layer for layer in network.modules() if isinstance(layer, _DropoutNd)]
    saved = [(layer.running_mean, layer.running_var) for layer in norms]
    try:
        # In eval mode a norm without statistics uses those of the batch. In training mode a synchronized batch norm
        # would wait for the other processes.
        for norm in norms:
            norm.running_mean = norm.running_var = None
        for dropout in dropouts:
            dropout.train()
        yield
    finally:
        for norm, (mean, variance) in zip(norms, saved, strict=True):
            norm.running_mean, norm.running_var = mean, variance
        for dropout in dropouts:
            dropout.eval()
