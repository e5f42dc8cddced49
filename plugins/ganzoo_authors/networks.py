"""Recognize the network of a state dict and its options by the keys and shapes of its tensors."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ganzoo_authors.state_dicts import State


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
    """

    kind: str
    name: str
    options: dict[str, Any]
    state: State = field(repr=False)
    in_channels: int
    out_channels: int = 0


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
        norm = "batch" if "net.3.weight" in state else "instance"
        first = state["net.0.weight"]
        return ImportedNetwork("discriminator", "pixel", {"width": len(first), "norm": norm}, state, first.shape[1])
    if "model.1.weight" in state and state["model.1.weight"].dim() == 4:
        return _resnet(state)
    if "model.0.weight" in state and state["model.0.weight"].dim() == 4:
        return _patch(state)
    return None


def _resnet(state: State) -> ImportedNetwork:
    first = state["model.1.weight"]
    blocks = sum(name.endswith(".conv_block.1.weight") for name in state)
    last = max(int(match[1]) for name in state if (match := re.match(r"model\.(\d+)\.weight", name)))
    options: dict[str, Any] = {"width": len(first), "blocks": blocks}
    smooth = "model.8.weight" in state and state["model.8.weight"].dim() == 4
    if not smooth:
        options["norm"] = "batch" if "model.2.weight" in state else "instance"
        options["dropout"] = any(name.endswith("conv_block.6.weight") and one.dim() == 4 for name, one in state.items())
    name = "smooth_resnet" if smooth else "resnet"
    return ImportedNetwork("generator", name, options, state, first.shape[1], len(state[f"model.{last}.weight"]))


def _unet(state: State) -> ImportedNetwork:
    first, levels = state["model.model.0.weight"], 1
    name = "model.model.1"
    while f"{name}.model.1.weight" in state:
        levels += 1
        name += ".model.3"
    norm = "batch" if any(name.endswith(".running_mean") for name in state) else "instance"
    options = {"width": len(first), "levels": levels, "norm": norm}
    return ImportedNetwork("generator", "unet", options, state, first.shape[1], state["model.model.3.weight"].shape[1])


def _patch(state: State) -> ImportedNetwork:
    first = state["model.0.weight"]
    weights = [name for name, one in state.items() if name.endswith(".weight") and one.dim() == 4]
    convs = sorted(int(name.split(".")[1]) for name in weights)
    options: dict[str, Any] = {"width": len(first), "layers": len(convs) - 2}
    smooth = convs[1] == 3
    if not smooth:
        options["norm"] = "batch" if "model.3.weight" in state else "instance"
    return ImportedNetwork("discriminator", "smooth_patch" if smooth else "patch", options, state, first.shape[1])


def munit(state: State) -> ImportedNetwork | None:
    """Return the autoencoder in a state dict of one domain of MUNIT or UNIT, or None if it has no encoder.

    Raises KeyError and other errors if tensors are missing.
    """
    styled = "enc_style.model.0.conv.weight" in state
    start = "enc_content" if styled else "enc"
    if f"{start}.model.0.conv.weight" not in state:
        return None
    first = state[f"{start}.model.0.conv.weight"]
    downs = sum(bool(re.fullmatch(rf"{start}\.model\.[1-9]\.conv\.weight", name)) for name in state)
    blocks = sum(bool(re.fullmatch(r"dec\.model\.0\.model\.\d+\.model\.0\.conv\.weight", name)) for name in state)
    options: dict[str, Any] = {"width": len(first), "downs": downs, "blocks": blocks}
    if styled:
        options |= {"style": len(state["enc_style.model.6.weight"]), "hidden": len(state["mlp.model.0.fc.weight"])}
    renamed = {_rename(name, downs, blocks, styled): tensor for name, tensor in state.items()}
    out_channels = len(state[f"dec.model.{2 * downs + 1}.conv.weight"])
    return ImportedNetwork("generator", "munit" if styled else "unit", options, renamed, first.shape[1], out_channels)


def munit_discriminator(state: State) -> ImportedNetwork | None:
    """Return the discriminator in a state dict of one domain of MUNIT or UNIT, or None if it has none."""
    if "cnns.0.0.conv.weight" not in state:
        return None
    first = state["cnns.0.0.conv.weight"]
    scales = len({name.split(".")[1] for name in state})
    layers = sum(bool(re.fullmatch(r"cnns\.0\.\d+\.conv\.weight", name)) for name in state)
    renamed = {
        re.sub(r"^cnns\.(\d+)\.(\d+)\.conv\.", r"discriminators.\1.\2.1.", name): one for name, one in state.items()
    }
    renamed = {re.sub(r"^cnns\.", "discriminators.", name): one for name, one in renamed.items()}
    options = {"width": len(first), "layers": layers, "scales": scales}
    return ImportedNetwork("discriminator", "multiscale", options, renamed, first.shape[1])


HALVES = {"0": "first", "1": "second"}
"""Number of a convolution in the authors' residual blocks → its name in ganzoo's."""


def _rename(name: str, downs: int, blocks: int, styled: bool) -> str:
    """Return ganzoo's name of a tensor of MUNIT or UNIT; an unknown name is returned unchanged."""
    start, content = ("enc_content", "content") if styled else ("enc", "encoder")
    block, up, shift = ("blocks", "up", 0) if styled else ("decoder", "decoder", blocks)
    inner, last = downs + 1, 2 * downs + 1
    rules: list[tuple[str, Callable[[re.Match[str]], str]]] = [
        (rf"{start}\.model\.{inner}\.model\.(\d+)\.model\.([01])\.conv",
         lambda match: f"{content}.{inner + int(match[1])}.{HALVES[match[2]]}.1"),
        (rf"{start}\.model\.(\d+)\.conv", lambda match: f"{content}.{match[1]}.1"),
        (r"enc_style\.model\.(\d+)\.conv", lambda match: f"look.{match[1]}.1"),
        (r"enc_style\.model\.(\d+)", lambda match: f"look.{match[1]}"),
        (r"mlp\.model\.(\d+)\.fc", lambda match: f"perceptron.{2 * int(match[1])}"),
        (r"dec\.model\.0\.model\.(\d+)\.model\.([01])\.conv",
         lambda match: f"{block}.{match[1]}.{HALVES[match[2]]}.1"),
        (rf"dec\.model\.{last}\.conv", lambda match: f"{up}.{shift + downs}.1"),
        (r"dec\.model\.(\d+)\.conv", lambda match: f"{up}.{shift + int(match[1]) // 2 - 1}.1.1"),
        (r"dec\.model\.(\d+)\.norm", lambda match: f"{up}.{shift + int(match[1]) // 2 - 1}.1.2"),
    ]  # fmt: skip
    layer, _, what = name.rpartition(".")
    for pattern, renamed in rules:
        if match := re.fullmatch(pattern, layer):
            return f"{renamed(match)}.{what}"
    return name
