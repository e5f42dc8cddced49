"""Layers with a function ``constrain`` (``ganzoo.interfaces.Constrained``): it is called after each optimizer step."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from ganzoo.interfaces import Constrained


def constrain_after_steps(optimizer: torch.optim.Optimizer, networks: Iterable[nn.Module]) -> None:
    """Let each step of an optimizer end with ``constrain`` of all layers of its networks that have this function."""
    layers = [layer for network in networks for layer in network.modules() if isinstance(layer, Constrained)]

    def constrain(*_: object) -> None:
        with torch.no_grad():
            for layer in layers:
                layer.constrain()

    if layers:
        optimizer.register_step_post_hook(constrain)
