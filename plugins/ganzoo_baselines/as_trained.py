"""Run a network on images as it was trained: batch norm by an image's own statistics, dropout that draws."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from ganzoo.interfaces import Step


def as_trained(network: nn.Module, images: Tensor, step: Step) -> Tensor:
    """Return what a network in eval mode makes of images (B, C, H, W) with batch norm and dropout as in training.

    Images go through one at a time, so that none changes another's statistics, and each has draws of its own, keyed
    by the step's seed, index and sample. The network and torch's generators are left as they were.
    """
    seeds, made = step.torch_seeds("dropout"), []
    with _training_layers(network), torch.random.fork_rng([images.device] if images.device.type == "cuda" else []):
        for image, seed in zip(images.split(1), seeds, strict=True):
            torch.manual_seed(seed)
            made.append(network(image))
    return torch.cat(made)


@contextmanager
def _training_layers(network: nn.Module) -> Iterator[None]:
    """Let batch norms take the statistics of what they see, and keep none of them, and let dropout drop."""
    norms = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    drops = [layer for layer in network.modules() if isinstance(layer, _DropoutNd)]
    kept = [(layer.running_mean, layer.running_var) for layer in norms]
    try:
        # In eval mode and without statistics of its own a norm takes the batch's; of this process alone, too, where
        # training mode would have a synchronized one wait for the others.
        for norm in norms:
            norm.running_mean = norm.running_var = None
        for drop in drops:
            drop.train()
        yield
    finally:
        for norm, (mean, variance) in zip(norms, kept, strict=True):
            norm.running_mean, norm.running_var = mean, variance
        for drop in drops:
            drop.eval()
