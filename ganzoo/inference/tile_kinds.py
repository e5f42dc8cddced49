"""Which layer a node of a traced network is, for its computation by tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.fx import Node

from ganzoo.inference.tile_layers import (
    Enlarge,
    Expand,
    Item,
    Layer,
    Padding,
    Pointwise,
    Shift,
    Transposed,
    Window,
    sizes_of,
)
from ganzoo.inference.tile_statistics import norm_layer

PIXELWISE = {
    "aten._native_batch_norm_legit_no_training.default",
    "aten._to_copy.default",
    "aten.alias.default",
    "aten.clone.default",
    "aten.contiguous.default",
    "aten.detach.default",
    "aten.to.dtype",
}
"""Functions, besides those that torch marks as pointwise, that compute each pixel from the same pixel."""
CHANNELWISE = {
    "aten.cat.default": 1,
    "aten.softmax.int": 1,
    "aten.log_softmax.int": 1,
    "aten.slice.Tensor": 1,
    "aten.split.Tensor": 2,
    "aten.split_with_sizes.default": 2,
}
"""Functions that compute each pixel from the channels of the same pixel if they work along the second axis → the index
of the argument that says so."""


OVER_CHANNELS = ("aten.mean.dim", "aten.sum.dim_IntList")
"""Functions that compute each pixel from all channels of the same pixel if they reduce the second axis, and keep it."""


def layer_of(node: Node, inputs: Sequence[Node], values: Mapping[Node, Any]) -> Layer | None:
    """Return the layer of a node that computes maps; None if it is of a kind that is not known here.

    Args:
        node: the node.
        inputs: the nodes among its inputs that are maps.
        values: see ``Layer``.
    """
    name = str(node.target)
    if name == "aten.expand.default":
        same = bool(inputs) and inputs[0] is node.args[0] and sizes_of(inputs[0]) == sizes_of(node)
        return Expand(node, inputs, values) if same or spreads_values(node) else None
    if not inputs:
        return None
    if "getitem" in name:
        return Item(node, inputs, values)
    if _is_pixelwise(node, name):
        fitting = all(
            size in (1, mine) for one in inputs for size, mine in zip(sizes_of(one), sizes_of(node), strict=True)
        )
        return Pointwise(node, inputs, values) if fitting else None
    if len(inputs) != 1 or inputs[0] is not node.args[0]:
        return None
    return (
        _window(node, name, inputs, values) or _resizing(node, name, inputs, values) or norm_layer(node, inputs, values)
    )


def spreads_values(node: Node) -> bool:
    """Return whether a node repeats values, (1, C, 1, 1), over a map, as methods do with a style."""
    source = node.args[0] if str(node.target) == "aten.expand.default" else None
    if not isinstance(source, Node):
        return False
    shape = source.meta["val"].shape
    return len(shape) == 4 and shape[2:].numel() == 1


def _is_pixelwise(node: Node, name: str) -> bool:
    if name in CHANNELWISE:
        place, default = CHANNELWISE[name], 0
        return (node.args[place] if len(node.args) > place else node.kwargs.get("dim", default)) in (1, -3)
    if name in OVER_CHANNELS:
        keeps = node.args[2] if len(node.args) > 2 else node.kwargs.get("keepdim", False)
        return bool(keeps) and list(node.args[1]) in ([1], [-3])  # type: ignore[arg-type]
    return name in PIXELWISE or torch.Tag.pointwise in getattr(node.target, "tags", ())


def _window(node: Node, name: str, inputs: Sequence[Node], values: Mapping[Node, Any]) -> Layer | None:
    if name == "aten.conv2d.default":
        return Window(node, inputs, values, first=3, dilation=5)
    if name == "aten.conv_transpose2d.input":
        return Transposed(node, inputs, values, first=3, dilation=7)
    flags = list(node.args[4:])
    if name == "aten.max_pool2d.default" and not any(flags[1:]):
        return Window(node, inputs, values, first=2, dilation=4, kernel=1, border=float("-inf"))
    if name == "aten.avg_pool2d.default" and not any(node.args[3:4]) and not any(flags[:1]):
        return Window(node, inputs, values, first=2, dilation=0, kernel=1)
    return None


def _resizing(node: Node, name: str, inputs: Sequence[Node], values: Mapping[Node, Any]) -> Layer | None:
    if name == "aten.pad.default" and len(node.args[1]) <= 4:  # type: ignore[arg-type]
        known = (node.args[2] if len(node.args) > 2 else "constant") in ("constant", "reflect", "replicate")
        return Padding(node, inputs, values) if known else None
    if name == "aten.slice.Tensor" and node.args[1] in (2, 3, -1, -2) and list(node.args[4:]) in ([], [1]):
        return Shift(node, inputs, values)
    whole = all(mine % size == 0 for mine, size in zip(sizes_of(node), sizes_of(inputs[0]), strict=True))
    if name == "aten.pixel_shuffle.default" or (whole and name == "aten.upsample_nearest2d.vec"):
        return Enlarge(node, inputs, values)
    if whole and name == "aten.upsample_bilinear2d.vec" and not node.args[2]:
        return Enlarge(node, inputs, values, margin=1)
    return None
