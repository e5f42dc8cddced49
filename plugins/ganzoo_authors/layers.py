"""The layers of ganzoo's networks under short names, for the key patterns of ``ganzoo import --layout``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Count = Callable[[str], int]
"""Pattern of a layer, such as ``block.{i}.first`` → number of such layers in a file."""

UP_CONVOLUTION = {"deconv": "", "resize": ".2", "pixelshuffle": ".1"}
"""Option ``upsample`` → where the convolution is in an upsampling layer."""


def resnet_layers(count: Count, options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return short name → layer of ``resnet``, and its options that the number of layers shows."""
    blocks, dropout = count("block.{i}.first"), bool(options.get("dropout"))
    layers = {"first": "model.1", "down.1": "model.4", "down.2": "model.7"}
    norms = {"first.norm": "model.2", "down.1.norm": "model.5", "down.2.norm": "model.8"}
    for i in range(1, blocks + 1):
        at = f"model.{9 + i}.conv_block"
        layers |= {f"block.{i}.first": f"{at}.1", f"block.{i}.second": f"{at}.{5 + dropout}"}
        norms |= {f"block.{i}.first.norm": f"{at}.2", f"block.{i}.second.norm": f"{at}.{6 + dropout}"}
    inside, end = UP_CONVOLUTION[options.get("upsample", "deconv")], 10 + blocks
    layers |= {"up.1": f"model.{end}{inside}", "up.2": f"model.{end + 3}{inside}", "last": f"model.{end + 7}"}
    norms |= {"up.1.norm": f"model.{end + 1}", "up.2.norm": f"model.{end + 4}"}
    return {**layers, **norms}, {"blocks": blocks}


def unet_layers(count: Count, options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return short name → layer of ``unet``, and its options; ``up.i`` ends at the size that ``down.i`` starts from."""
    levels = count("down.{i}")
    inside = UP_CONVOLUTION[options.get("upsample", "deconv")]
    layers = {"down.1": "model.model.0", "up.1": f"model.model.3{inside}"}
    at = "model.model.1.model"
    for i in range(2, levels + 1):
        innermost = i == levels
        layers |= {f"down.{i}": f"{at}.1", f"up.{i}": f"{at}.{3 if innermost else 5}{inside}"}
        layers |= {f"up.{i}.norm": f"{at}.{4 if innermost else 6}"}
        layers |= {} if innermost else {f"down.{i}.norm": f"{at}.2"}
        at += ".3.model"
    return layers, {"levels": levels}


def patch_layers(count: Count, options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return short name → layer of ``patch``, and its options."""
    convs, extra = count("layer.{i}"), bool(options.get("extra_layer", True))
    layers = {f"layer.{i}": f"model.{max(0, 3 * i - 4)}" for i in range(1, convs + 1)}
    norms = {f"layer.{i}.norm": f"model.{3 * i - 3}" for i in range(2, convs)}
    return {**layers, **norms}, {"layers": convs - 1 - extra}


def pixel_layers(count: Count, options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Return short name → layer of ``pixel``; nothing follows from their number."""
    return {"layer.1": "net.0", "layer.2": "net.2", "layer.2.norm": "net.3", "layer.3": "net.5"}, {}


LAYERS = {"resnet": resnet_layers, "unet": unet_layers, "patch": patch_layers, "pixel": pixel_layers}
"""Networks that a layout can describe."""
FIRST = {"resnet": "first", "unet": "down.1", "patch": "layer.1", "pixel": "layer.1"}
"""Network → its first convolution, whose weight has the width and the input channels."""
LAST = {"resnet": "last", "unet": "up.1"}
"""Generator → its last convolution, whose weight has the output channels."""
