"""Layers that read statistics of whole maps, norms and means: collect the statistics by parts, then apply them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from ganzoo.inference.tile_layers import Pointwise, Region


class Moments:
    """Mean and variance of each channel of maps (1, C, H, W), collected from parts that do not overlap.

    They are merged in float64 (Chan et al. 1979), so that the order and size of the parts hardly matter.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean = torch.zeros(())
        self.squares = torch.zeros(())

    def add(self, part: Tensor) -> None:
        """Add the pixels of a part, (1, C, h, w)."""
        pixels = part.float().permute(0, 2, 3, 1).flatten(0, 2)  # much faster than over two axes in channels_last
        average = pixels.mean(0)
        spread = (pixels - average).square_().mean(0)
        mean, variance = (one.cpu().double() for one in (average, spread))
        count = part.shape[2] * part.shape[3]
        total = self.count + count
        difference = mean - self.mean
        self.mean = self.mean + difference * (count / total)
        self.squares = self.squares + variance * count + difference**2 * (self.count * count / total)
        self.count = total

    def grouped(self, groups: int) -> tuple[Tensor, Tensor, int]:
        """Return mean and variance, (C,), and the number of values, over groups of channels that follow each other."""
        mean, variance = (one.view(groups, -1) for one in (self.mean, self.squares / self.count))
        size = mean.shape[1]
        joint = mean.mean(1, keepdim=True)
        spread = variance.mean(1, keepdim=True) + ((mean - joint) ** 2).mean(1, keepdim=True)
        joint, spread = (one.expand(-1, size).reshape(-1) for one in (joint, spread))
        return joint, spread, self.count * size


class Normalize(Pointwise):
    """A norm with the statistics of the whole map, over each channel or over groups of channels.

    Args:
        node: its node; the result is the first of a tuple if the node computes several.
        groups: number of groups of channels; 0: each channel by itself.
        weight, bias: indices of the arguments with a scale and a shift for each channel.
        eps: index of the argument that is added to the variance.
    """

    def __init__(self, node: Node, inputs: Sequence[Node], values: Any, *, weight: int, eps: int, groups: int) -> None:
        super().__init__(node, inputs, values)
        self.groups, self.weight, self.eps = groups, weight, eps
        self.moments = Moments()

    def needs(self, region: Region) -> list[Region]:
        """Return the region of the maps."""
        return super().needs(region)[:1]

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the normalized part."""
        maps, channels = parts[0], parts[0].shape[1]
        mean, variance, _ = self.moments.grouped(self.groups or channels)
        scale = (variance + float(self.argument(self.eps, 1e-5))).rsqrt()
        scale, mean = (one.float().to(maps.device)[:, None, None] for one in (scale, mean))
        result = maps.float() - mean
        weight, bias = self.argument(self.weight), self.argument(self.weight + 1)
        result *= scale if weight is None else scale * weight.float().view(-1, 1, 1)
        if bias is not None:
            result += bias.float().view(-1, 1, 1)
        result = result.to(maps.dtype)
        return (result, None, None) if isinstance(self.node.meta["val"], tuple | list) else result


def norm_layer(node: Node, inputs: Sequence[Node], values: Any) -> Normalize | None:
    """Return the layer of a norm that reads statistics of whole maps; None for another node, or another use of it."""
    if len(inputs) != 1 or inputs[0] is not node.args[0]:
        return None
    name, shape = str(node.target), [int(one) for one in inputs[0].meta["val"].shape]
    if name == "aten._native_batch_norm_legit.no_stats":
        return Normalize(node, inputs, values, weight=1, eps=5, groups=0)
    if name == "aten.instance_norm.default" and node.args[5]:
        return Normalize(node, inputs, values, weight=1, eps=7, groups=0)
    if name == "aten.group_norm.default":
        return Normalize(node, inputs, values, weight=2, eps=4, groups=int(node.args[1]))  # type: ignore[arg-type]
    if name == "aten.layer_norm.default" and all(one is None or _is_constant(one) for one in node.args[2:4]):
        over = list(node.args[1])  # type: ignore[arg-type]
        if over in (shape[2:], shape[1:]):
            return _Unscaled(node, inputs, values, weight=2, eps=4, groups=0 if len(over) == 2 else 1)
    return None


def _is_constant(argument: Any) -> bool:
    """Return whether an argument is a scale of 1 or a shift of 0 that was made for the call."""
    return isinstance(argument, Node) and str(argument.target) in ("aten.ones.default", "aten.zeros.default")


class _Unscaled(Normalize):
    """A layer norm whose scale is 1 and whose shift is 0."""

    def argument(self, index: int, default: Any = None) -> Any:
        """Return a positional argument of the node; None for the scale and the shift."""
        return None if index in (self.weight, self.weight + 1) else super().argument(index, default)


class Reduction:
    """A mean, or a mean and deviation, of whole maps: values that are no map.

    Args:
        node: its node.
        source: the node of the maps.
    """

    def __init__(self, node: Node, source: Node) -> None:
        self.node, self.source = node, source
        self.moments = Moments()

    def value(self, like: Tensor) -> Any:
        """Return what the node computes, on the device and in the dtype of ``like``."""
        channels = self.source.meta["val"].shape[1]
        expected = self.node.meta["val"]
        several = isinstance(expected, tuple | list)
        shape = (expected[0] if several else expected).shape
        joint = shape.numel() == 1 and channels > 1
        mean, variance, count = self.moments.grouped(1 if joint else channels)
        if joint:
            mean, variance = mean[:1], variance[:1]
        mean = mean.to(like.dtype).to(like.device).view(shape)
        if not several:
            return mean
        corrected = variance * count / (count - 1 if self.node.args[2] else count)
        spread = corrected.sqrt() if "std" in str(self.node.target) else corrected
        return spread.to(like.dtype).to(like.device).view(shape), mean


def reduction(node: Node, inputs: Sequence[Node]) -> Reduction | None:
    """Return the reduction that a node computes; None for another node, or a reduction of another kind."""
    name = str(node.target)
    if len(inputs) != 1 or inputs[0] is not node.args[0]:
        return None
    if name.startswith("aten.adaptive_avg_pool2d"):
        return Reduction(node, inputs[0]) if list(node.args[1]) == [1, 1] else None  # type: ignore[arg-type]
    if name in ("aten.mean.dim", "aten.std_mean.dim", "aten.var_mean.dim"):
        dims = sorted(int(one) % 4 for one in node.args[1])  # type: ignore[arg-type, union-attr]
        return Reduction(node, inputs[0]) if dims in ([2, 3], [1, 2, 3]) else None
    return None
