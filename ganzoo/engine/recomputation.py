"""Gradient checkpointing (``train.checkpointing``): blocks of generators are computed again in the backward pass.

Between the passes only the inputs of the blocks are in memory. Results are the same: also those of dropout, whose draws
are repeated, and of layers whose buffers change in a forward pass, as the running statistics of batch norm and the
vectors of ``spectral_norm`` do: a block is computed again with the buffers that it had, which change only once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.utils.checkpoint import checkpoint

from ganzoo.interfaces import Method

LARGEST = 4
"""The most layers with weights of a block, as many as a transformer's have; a larger module is divided."""


def recompute_generators(method: Method, networks: Mapping[str, nn.Module]) -> None:
    """Let the blocks of a method's generators be computed again; ``networks`` has them by slot."""
    for name, slot in method.slots.items():
        if slot.kind == "generator":
            recompute_blocks(networks[name])


def recompute_blocks(network: nn.Module) -> None:
    """Let the blocks of a network be computed again in the backward pass, in place: modules, weights and names stay.

    A block is a module with up to ``LARGEST`` convolutions and linear layers, not counting convolutions of each channel
    by itself, such as a residual block; or a convolution of a sequence with the layers around it. Nothing is computed
    again without gradients, or in eval mode.
    """
    for child in network.children():
        _divide(child)


def _divide(module: nn.Module) -> None:
    layers = _weighted_layers(module)
    if isinstance(module, nn.ModuleList | nn.ModuleDict):  # it is never called itself
        recompute_blocks(module)
    elif 0 < layers <= LARGEST:
        _set_forward(module, _Block([module], module.forward))
    elif isinstance(module, nn.Sequential) and type(module).forward is nn.Sequential.forward and layers:
        _set_forward(module, _InTurn(_segments(module)))
    elif layers:
        recompute_blocks(module)


def _set_forward(module: nn.Module, forward: Callable[..., Any]) -> None:
    module.forward = forward


def _weighted_layers(module: nn.Module) -> int:
    return sum(
        isinstance(layer, nn.Linear) or (isinstance(layer, _ConvNd) and layer.groups == 1) for layer in module.modules()
    )


def _segments(sequence: nn.Sequential) -> list[Callable[..., Any]]:
    """Return the steps of a sequence: its larger modules, divided, and its other layers, by one convolution each."""
    steps: list[Callable[..., Any]] = []
    layers: list[nn.Module] = []

    def finish() -> None:
        if layers:
            steps.append(_Block(layers.copy(), _InTurn(layers.copy())))
            layers.clear()

    for child in sequence.children():
        if list(child.children()):
            finish()
            _divide(child)
            steps.append(child)
            continue
        before_next = isinstance(child, _ConvNd | nn.Linear) or not list(child.parameters())
        if _weighted_layers(nn.Sequential(*layers, child)) > 1 and before_next:
            finish()
        layers.append(child)
    finish()
    return steps


class _InTurn:
    """Steps that run one after another: an object, as a deep copy of a network shares the functions it has.

    Args:
        steps: the steps.
    """

    def __init__(self, steps: Sequence[Callable[..., Any]]) -> None:
        self.steps = list(steps)

    def __call__(self, maps: Any) -> Any:
        """Return what the last step returns."""
        for step in self.steps:
            maps = step(maps)
        return maps


class _Block:
    """Layers that are computed again in the backward pass.

    Args:
        layers: the layers.
        forward: the function that runs them.
    """

    def __init__(self, layers: Sequence[nn.Module], forward: Callable[..., Any]) -> None:
        self.forward = forward
        self.layers = list(layers)
        first = layers[0]
        if getattr(first, "inplace", False):  # it would overwrite the input, which is read again
            first.inplace = False  # type: ignore[assignment]

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        """Return what the layers return."""
        if not torch.is_grad_enabled() or not self.layers[0].training:
            return self.forward(*inputs, **named)
        return checkpoint(
            self.forward, *inputs, use_reentrant=False, context_fn=lambda: (nullcontext(), _Again(self.layers)), **named
        )


class _Again:
    """Context in which layers are computed again as when it was created; it may be entered several times in turn.

    The same weights need gradients then, and buffers have the same values; at its end buffers are as at its start.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        self._trained = [(weight, weight.requires_grad) for layer in layers for weight in layer.parameters()]
        self._buffers = [(buffer, buffer.clone()) for layer in layers for buffer in layer.buffers()]

    def __enter__(self) -> None:
        self._now = [weight.requires_grad for weight, _ in self._trained]
        self._later = [buffer.clone() for buffer, _ in self._buffers]
        for weight, trained in self._trained:
            weight.requires_grad_(trained)
        for buffer, value in self._buffers:
            buffer.copy_(value)

    def __exit__(self, *problem: object) -> None:
        for (weight, _), now in zip(self._trained, self._now, strict=True):
            weight.requires_grad_(now)
        for (buffer, _), value in zip(self._buffers, self._later, strict=True):
            buffer.copy_(value)
