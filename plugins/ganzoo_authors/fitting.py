"""Fit an imported network's weights to ganzoo's network: biases that the two do not share, names and shapes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ganzoo import GanzooError, create
from ganzoo_authors.networks import ImportedNetwork
from ganzoo_authors.state_dicts import State, printable, shape
from ganzoo_mask_cyclegan.encoder import MaskEncoder


def fit(network: ImportedNetwork, file: Path) -> ImportedNetwork:
    """Return a network whose weights ganzoo's network can load; what it computes stays the same.

    Raises GanzooError when the names or shapes of its tensors do not fit.
    """
    channels = (network.in_channels, network.out_channels) if network.out_channels else (network.in_channels,)
    built = create(network.kind, network.name, *channels, **network.options) if network.kind else MaskEncoder(*channels)
    own, state = built.state_dict(), _without_biases_before_norms(built, network.state)
    if network.zero_biases:
        added = [name for name in own if name.endswith(".bias") and name not in state]
        state |= {name: torch.zeros_like(own[name]) for name in added}
    for name in [*own, *state]:
        if shape(own.get(name)) != shape(state.get(name)):
            ours, theirs = (tuple(one[name].shape) if name in one else "missing" for one in (own, state))
            raise GanzooError(
                f"{file}: its shapes do not fit a {network.name}: {printable(name)} is {theirs}, expected {ours}"
            )
    moved = "biases before norms moved into their statistics" if len(state) < len(network.state) else ""
    return replace(network, state=state, notes=(*network.notes, *([moved] if moved else [])))


def _without_biases_before_norms(network: nn.Module, state: State) -> State:
    """Return weights without the biases that ganzoo's network lacks because a norm follows.

    A batch norm subtracts its running mean, so the bias is subtracted from that; an instance norm removes any bias.
    """
    fitted = dict(state)
    for path, sequence in network.named_modules():
        if not isinstance(sequence, nn.Sequential):
            continue
        for (number, layer), (next_number, norm) in pairwise(sequence.named_children()):
            name, mean = f"{path}.{number}.bias", f"{path}.{next_number}.running_mean"
            if name not in fitted or getattr(layer, "weight", None) is None or layer.bias is not None:
                continue
            if isinstance(norm, _BatchNorm) and mean in fitted and fitted[mean].shape == fitted[name].shape:
                fitted[mean] = fitted[mean] - fitted.pop(name)
            elif type(norm).__name__ == "InstanceNorm":
                del fitted[name]
    return fitted
