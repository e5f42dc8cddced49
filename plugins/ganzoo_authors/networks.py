"""Recognize the network of a state dict and its options by the keys and shapes of its tensors."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from ganzoo_authors.state_dicts import State

AFFINE = "instance norm with learned scale and shift (affine), and ganzoo's instance norm has none"


@dataclass(frozen=True)
class ImportedNetwork:
    """A network of ganzoo: component, options, and weights under ganzoo's names.

    Args:
        kind: ``generator`` or ``discriminator``; empty for a network that a method builds itself.
        name: name of the component.
        options: options of the component.
        state: the weights.
        in_channels: number of input channels.
        out_channels: number of output channels; 0 for discriminators.
        unsupported: what the file's network has and ganzoo's has not, for a message; empty if nothing.
        zero_biases: whether convolutions without a bias, where ganzoo's have one, get a bias of 0.
        notes: what was changed in the weights, for the summary.
    """

    kind: str
    name: str
    options: dict[str, Any]
    state: State = field(repr=False)
    in_channels: int
    out_channels: int = 0
    unsupported: str = ""
    zero_biases: bool = False
    notes: tuple[str, ...] = ()


def describe(network: ImportedNetwork | None) -> str:
    """Return a network's kind and name, or ``an unknown network`` for None, for a message."""
    return f"the {network.kind} {network.name}" if network else "an unknown network"


def recognize(state: State) -> ImportedNetwork | None:
    """Return the network whose weights a state dict of the CycleGAN family has, or None for an unknown one.

    Raises KeyError and other errors if tensors are missing.
    """
    if "model.model.0.weight" in state:
        return _unet(state)
    if "net.0.weight" in state:
        return _pixel(state)
    if "model.1.weight" in state and state["model.1.weight"].dim() == 4:
        return _resnet(state)
    if "model.0.weight" in state and state["model.0.weight"].dim() == 4:
        return _patch(state)
    return None


def find_norm(state: State, norm_layer: str, hidden: list[str]) -> tuple[str, str]:
    """Return a network's norm, and what ganzoo's norms lack, from the keys of the first one and from the biases.

    The authors' code gives convolutions a bias only before an instance norm: no bias and no norm's keys are ``none``.

    Args:
        state: the network's weights.
        norm_layer: where its first norm would be.
        hidden: the convolutions that a norm follows.
    """
    if f"{norm_layer}.running_mean" in state:
        return "batch", ""
    if f"{norm_layer}.weight" in state:
        return "instance", AFFINE
    return ("none" if hidden and not any(f"{name}.bias" in state for name in hidden) else "instance"), ""


def _resnet(state: State) -> ImportedNetwork:
    first = state["model.1.weight"]
    blocks = sum(name.endswith(".conv_block.1.weight") for name in state)
    numbers = sorted(int(match[1]) for name, one in state.items()
                     if (match := re.fullmatch(r"model\.(\d+)\.weight", name)) and one.dim() == 4)  # fmt: skip
    block_numbers = [int(match[1]) for name in state if (match := re.match(r"model\.(\d+)\.conv_block\.", name))]
    start = min(block_numbers, default=numbers[len(numbers) // 2])
    down, up = ([one for one in numbers if one < start], [one for one in numbers if one >= start])
    options: dict[str, Any] = {"width": len(first), "blocks": blocks}
    smooth_down, smooth_up = down[2:3] == [8], bool(up) and up[0] == start + blocks + 1
    hidden = [f"model.{number}" for number in numbers[:-1]]
    hidden += [name.removesuffix(".weight") for name, one in state.items() if "conv_block" in name and one.dim() == 4]
    norm, unsupported = find_norm(state, "model.2", hidden)
    name = "resnet"
    if len(down) > 3:
        unsupported = f"{len(down) - 1} downsampling layers, and ganzoo's resnet has 2"
    elif smooth_down and smooth_up:
        name = "smooth_resnet"
    elif smooth_down or smooth_up:
        side = "--no_antialias_up" if smooth_down else "--no_antialias"
        unsupported = f"anti-aliased resampling on one side only (CUT's {side}), and ganzoo's smooth_resnet has both"
    options["norm"] = norm
    if name == "resnet":
        options["dropout"] = any(name.endswith("conv_block.6.weight") and one.dim() == 4 for name, one in state.items())
    out_channels = len(state[f"model.{numbers[-1]}.weight"])
    return ImportedNetwork(
        "generator", name, options, state, first.shape[1], out_channels, unsupported, zero_biases=norm == "none"
    )


def _unet(state: State) -> ImportedNetwork:
    first, levels = state["model.model.0.weight"], 1
    name = "model.model.1"
    hidden = ["model.model.0"]
    while f"{name}.model.1.weight" in state:
        levels += 1
        inner = f"{name}.model.3.weight" in state and state[f"{name}.model.3.weight"].dim() == 4
        hidden += [f"{name}.model.1", f"{name}.model.{3 if inner else 5}"]
        name += ".model.3"
    norm_layer = "model.model.1.model.2" if levels > 2 else "model.model.1.model.4"
    norm, unsupported = find_norm(state, norm_layer, hidden)
    options: dict[str, Any] = {"width": len(first), "levels": levels, "norm": norm}
    if norm == "batch" and "model.model.0.bias" in state:
        options["bias_without_norm"] = True
    out_channels = state["model.model.3.weight"].shape[1]
    return ImportedNetwork(
        "generator", "unet", options, state, first.shape[1], out_channels, unsupported, zero_biases=norm == "none"
    )


def _patch(state: State) -> ImportedNetwork:
    first = state["model.0.weight"]
    weights = [name for name, one in state.items() if name.endswith(".weight") and one.dim() == 4]
    convs = sorted(int(name.split(".")[1]) for name in weights)
    options: dict[str, Any] = {"width": len(first), "layers": len(convs) - 2}
    smooth = convs[1] == 3
    norm, unsupported = find_norm(state, f"model.{convs[1] + 1}", [f"model.{number}" for number in convs[1:-1]])
    if not smooth:
        options["norm"] = norm
    elif norm != "instance":
        unsupported = f"norm {norm} (CUT's --normD), and ganzoo's smooth_patch has instance norm only"
    name = "smooth_patch" if smooth else "patch"
    return ImportedNetwork(
        "discriminator", name, options, state, first.shape[1], 0, unsupported, zero_biases=norm == "none"
    )


def _pixel(state: State) -> ImportedNetwork:
    first, unsupported = state["net.0.weight"], ""
    norm = "batch" if "net.3.running_mean" in state else "instance"
    if norm == "instance" and "net.3.weight" in state:
        unsupported = AFFINE
    elif norm == "instance" and "net.5.bias" in state:
        unsupported = "a bias in its last layer, which ganzoo's pixel has with batch norm only"
    # Old and new versions of the authors' code differ in which norm goes with biases.
    options = {"width": len(first), "norm": norm}
    return ImportedNetwork(
        "discriminator", "pixel", options, state, first.shape[1], 0, unsupported, zero_biases=norm == "batch"
    )
