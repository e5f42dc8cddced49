"""Cast the weights of frozen maskers once for a whole run; autocast alone casts them at each pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from ganzoo.engine.precision import HALF

LAYERS = (nn.modules.conv._ConvNd, nn.Linear)
"""Layers that autocast runs with weights in half precision, and that use nothing else."""


def cast_frozen_once(networks: Iterable[nn.Module], precision: str, device: torch.device) -> None:
    """Make the frozen layers of networks use stored casts of their weights under autocast; for fp32 do nothing.

    Results are those of autocast. Outside of a layer's own forward its weights are as before, also in state dicts.

    Args:
        networks: networks on the device; layers with a weight that requires a gradient stay as they are.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        device: the device.
    """
    if precision not in HALF:
        return
    for network in networks:
        for layer in network.modules():
            if isinstance(layer, LAYERS) and not any(one.requires_grad for one in layer.parameters()):
                casts = _Casts(HALF[precision], device.type)
                layer.register_forward_pre_hook(casts.use)
                layer.register_forward_hook(casts.put_back, always_call=True)


class _Casts:
    """The casts of one layer's weights.

    Args:
        dtype: the type of the casts.
        device: type of the device.
    """

    def __init__(self, dtype: torch.dtype, device: str) -> None:
        self.dtype, self.device = dtype, device
        self.casts: dict[str, tuple[Tensor, int, Tensor]] = {}
        self.replaced: dict[str, nn.Parameter] = {}

    def use(self, layer: nn.Module, inputs: Any) -> None:
        """Replace the layer's weights by their casts, if autocast would cast them."""
        active = torch.is_autocast_enabled(self.device) and torch.get_autocast_dtype(self.device) == self.dtype
        weights = {name: weight for name, weight in layer._parameters.items() if weight is not None}
        if not active or all(weight.dtype == self.dtype for weight in weights.values()):
            return
        self.replaced = weights
        for name, weight in weights.items():
            source, version, cast = self.casts.get(name, (None, -1, weight))
            if source is not weight or version != weight._version:  # first use, or other weights were loaded
                cast = weight.detach().to(self.dtype)
                self.casts[name] = (weight, weight._version, cast)
            layer._parameters[name] = cast  # type: ignore[assignment]

    def put_back(self, layer: nn.Module, inputs: Any, output: Any) -> None:
        """Put the layer's own weights back."""
        layer._parameters.update(self.replaced)
        self.replaced = {}
