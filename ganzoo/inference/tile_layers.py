"""The layers of a traced network on parts of maps: which part of its inputs a layer needs for a part of its output."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.fx import Node
from torch.fx.node import map_arg


class Region(NamedTuple):
    """A rectangle of a map, in its pixels: rows ``top`` … ``bottom`` − 1, columns ``left`` … ``right`` − 1."""

    top: int
    bottom: int
    left: int
    right: int

    def joined(self, other: Region) -> Region:
        """Return the smallest region that contains both."""
        return Region(
            min(self.top, other.top),
            max(self.bottom, other.bottom),
            min(self.left, other.left),
            max(self.right, other.right),
        )

    def meets(self, other: Region) -> bool:
        """Return whether the two have a pixel in common."""
        rows = self.top < other.bottom and other.top < self.bottom
        return rows and self.left < other.right and other.left < self.right


Span = tuple[int, int]
Sizes = tuple[int, int]


def sizes_of(node: Node) -> Sizes:
    """Return height and width of the map that a node computes; of the first one if it computes several."""
    value = node.meta["val"]
    height, width = (value[0] if isinstance(value, tuple | list) else value).shape[2:]
    return int(height), int(width)


def inside(region: Region, sizes: Sizes) -> Region:
    """Return the part of a region that is within a map; it has at least one row and one column."""
    (top, bottom), (left, right) = (
        (start := min(max(low, 0), size - 1), max(min(high, size), start + 1))
        for low, high, size in zip(region[::2], region[1::2], sizes, strict=True)
    )
    return Region(top, bottom, left, right)


def cut(maps: Any, origin: Region, wanted: Region) -> Any:
    """Return the part ``wanted`` of maps (B, C, h, w) that cover ``origin``; of each in a tuple."""
    if isinstance(maps, tuple | list):
        return tuple(cut(one, origin, wanted) for one in maps)
    if maps is None or wanted == origin:
        return maps
    rows = slice(wanted.top - origin.top, wanted.bottom - origin.top)
    return maps[:, :, rows, wanted.left - origin.left : wanted.right - origin.left]


def extend(part: Tensor, covered: Region, wanted: Region, value: float = 0.0) -> Tensor:
    """Return a part that covers ``covered`` cut and padded with a value, so that it covers ``wanted``."""
    before_after = (
        covered.left - wanted.left,
        wanted.right - covered.right,
        covered.top - wanted.top,
        wanted.bottom - covered.bottom,
    )
    return F.pad(part, before_after, value=value) if any(before_after) else part


class Layer(ABC):
    """A layer of a traced network.

    Args:
        node: its node in the graph.
        inputs: the nodes among its inputs that are maps.
        values: node → value of those that are no maps, such as weights; complete when the layer runs.
    """

    def __init__(self, node: Node, inputs: Sequence[Node], values: Mapping[Node, Any]) -> None:
        self.node, self.inputs, self.values = node, list(inputs), values
        self.sizes = sizes_of(node)

    def call(self, parts: Sequence[Any], **replaced: Any) -> Any:
        """Run the node's function on parts of its input maps."""
        by_node = dict(zip(self.inputs, parts, strict=True))
        args, kwargs = map_arg(
            (self.node.args, self.node.kwargs), lambda one: by_node[one] if one in by_node else self.values[one]
        )
        function: Callable[..., Any] = self.node.target  # type: ignore[assignment]
        return function(*args, **{**kwargs, **replaced})

    def argument(self, index: int, default: Any = None) -> Any:
        """Return a positional argument of the node: a value instead of its node."""
        argument = self.node.args[index] if index < len(self.node.args) else default
        return self.values[argument] if isinstance(argument, Node) else argument

    @abstractmethod
    def needs(self, region: Region) -> list[Region]:
        """Return the part of each input map that a part of the output needs."""

    @abstractmethod
    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return a part of the output, for the parts of the inputs that ``needs`` names."""


class Pointwise(Layer):
    """A layer that computes each pixel from the same pixel of its inputs; inputs of one row or column are repeated."""

    def needs(self, region: Region) -> list[Region]:
        """Return the region itself for each input."""
        return [inside(region, sizes_of(one)) for one in self.inputs]

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the function of the parts."""
        return self.call(parts)


class Expand(Pointwise):
    """Repeats values or maps to a larger size."""

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the repeated part."""
        source = parts[0] if parts else self.argument(0)
        batch, channels = self.node.meta["val"].shape[:2]
        return source.expand(batch, channels, region.bottom - region.top, region.right - region.left)


class Item(Pointwise):
    """Selects one of several results of a layer."""

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the selected one."""
        return parts[0][self.node.args[1]]


class Shift(Layer):
    """A slice of rows or columns."""

    def needs(self, region: Region) -> list[Region]:
        """Return the region, moved to where the slice begins."""
        dim, start = int(self.argument(1, 0)) % 4, int(self.argument(2, 0) or 0)
        start += sizes_of(self.inputs[0])[dim - 2] if start < 0 else 0
        rows, columns = (start, 0) if dim == 2 else (0, start)
        return [Region(region.top + rows, region.bottom + rows, region.left + columns, region.right + columns)]

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the part."""
        return parts[0]


class Padding(Layer):
    """Padding of rows and columns: constant, by reflection, or by repeating the border."""

    def _positions(self, region: Region) -> tuple[range, range]:
        """Return where the rows of the region are in the input, and its columns; they may be outside of it."""
        pads = [*self.argument(1), 0, 0][:4]
        return (
            range(region.top - pads[2], region.bottom - pads[2]),
            range(region.left - pads[0], region.right - pads[0]),
        )

    def _shown(self, position: int, size: int) -> int:
        """Return the row or column of the input that is shown at a position."""
        if self.argument(2, "constant") == "reflect":
            return (size - 1) - abs((size - 1) - abs(position))
        return min(max(position, 0), size - 1)

    def needs(self, region: Region) -> list[Region]:
        """Return the part of the input that the region shows, or borders on."""
        spans = []
        for positions, size in zip(self._positions(region), sizes_of(self.inputs[0]), strict=True):
            turns = [one for one in (0, size - 1) if one in positions]
            shown = [self._shown(one, size) for one in (positions[0], positions[-1], *turns)]
            spans.append((min(shown), max(shown) + 1))
        return [Region(*spans[0], *spans[1])]

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the padded part."""
        (covered,) = self.needs(region)
        rows, columns = self._positions(region)
        mode = self.argument(2, "constant")
        if mode == "constant":
            wanted = Region(rows[0], rows[-1] + 1, columns[0], columns[-1] + 1)
            return extend(parts[0], covered, wanted, float(self.argument(3, 0) or 0))
        height, width = sizes_of(self.inputs[0])
        beyond = [(max(0, -one[0]), max(0, one[-1] + 1 - size)) for one, size in ((columns, width), (rows, height))]
        inner = (len(rows) - sum(beyond[1]), len(columns) - sum(beyond[0]))
        counts = [*beyond[0], *beyond[1]]
        if inner == parts[0].shape[2:] and max(counts) < min(inner):  # nearly always; torch's padding is faster
            return F.pad(parts[0], counts, mode) if any(counts) else parts[0]
        maps = _take(parts[0], 2, [self._shown(one, height) - covered.top for one in rows])
        maps = _take(maps, 3, [self._shown(one, width) - covered.left for one in columns])
        return maps.contiguous(memory_format=torch.channels_last) if _is_channels_last(parts[0]) else maps


def _take(maps: Tensor, dim: int, positions: list[int]) -> Tensor:
    return maps.index_select(dim, torch.tensor(positions, device=maps.device))


def _is_channels_last(maps: Tensor) -> bool:
    return maps.shape[1] > 1 and maps.stride(1) == 1


class Window(Layer):
    """A layer that moves a window over its input: a convolution or a pooling.

    Args:
        node, inputs, values: as in ``Layer``.
        first: index of the arguments stride and padding, which follow each other.
        dilation: index of the argument dilation; 0 without one.
        kernel: index of the argument with the size of the window; 0 for the size of the weights, the second argument.
        border: the value of the pixels around the map.
    """

    def __init__(
        self,
        node: Node,
        inputs: Sequence[Node],
        values: Mapping[Node, Any],
        *,
        first: int,
        dilation: int,
        kernel: int = 0,
        border: float = 0.0,
    ) -> None:
        super().__init__(node, inputs, values)
        weights = node.args[1]
        kernel_sizes = (
            tuple(weights.meta["val"].shape[2:])
            if not kernel and isinstance(weights, Node)
            else _pair(self.argument(kernel))
        )
        self.kernel: Sizes = (int(kernel_sizes[0]), int(kernel_sizes[1]))
        self.stride = _pair(self.argument(first) or (self.kernel if kernel else 1))
        self.padding = _pair(self.argument(first + 1, 0))
        self.dilation = _pair(self.argument(dilation, 1) if dilation else 1)
        self.first, self.border = first, border

    def _window(self, region: Region) -> Region:
        """Return the part of the input that the windows of a region cover; it may reach beyond the map."""
        spans = [
            (low * stride - padding, (high - 1) * stride - padding + dilation * (kernel - 1) + 1)
            for low, high, stride, padding, dilation, kernel in zip(
                region[::2], region[1::2], self.stride, self.padding, self.dilation, self.kernel, strict=True
            )
        ]
        return Region(*spans[0], *spans[1])

    def needs(self, region: Region) -> list[Region]:
        """Return the part of the input that the windows of a region cover."""
        return [inside(self._window(region), sizes_of(self.inputs[0]))]

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the part of the output, without padding at borders of the part that are no borders of the map."""
        (covered,) = self.needs(region)
        padded = extend(parts[0], covered, self._window(region), self.border)
        args = [self.argument(i) if i else padded for i in range(len(self.node.args))]
        if len(args) > self.first + 1:
            args[self.first + 1] = [0, 0]
        function: Callable[..., Any] = self.node.target  # type: ignore[assignment]
        return function(*args, **self.node.kwargs)


def _pair(value: Any) -> Sizes:
    values = list(value) if isinstance(value, Sequence) else [value]
    return int(values[0]), int(values[-1])


class Transposed(Window):
    """A transposed convolution."""

    def _window(self, region: Region) -> Region:
        spans: list[Span] = []
        for low, high, stride, padding, dilation, kernel in zip(
            region[::2], region[1::2], self.stride, self.padding, self.dilation, self.kernel, strict=True
        ):
            reach = dilation * (kernel - 1)
            start = min(-((reach - low - padding) // stride), (low + padding) // stride)
            end = max((high - 1 + padding) // stride, -((reach - high + 1 - padding) // stride))
            spans.append((start, end + 1))
        return Region(*spans[0], *spans[1])

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the part of the output."""
        (covered,) = self.needs(region)
        window = self._window(region)
        padded = extend(parts[0], covered, window)
        weight, bias, groups = self.argument(1), self.argument(2), self.argument(6, 1)
        maps = F.conv_transpose2d(padded, weight, bias, self.stride, 0, 0, groups, self.dilation)
        top, left = (
            start * stride - padding
            for start, stride, padding in zip((window.top, window.left), self.stride, self.padding, strict=True)
        )
        return cut(maps, Region(top, top + maps.shape[2], left, left + maps.shape[3]), region)


class Enlarge(Layer):
    """A layer that enlarges its input by a whole factor: nearest or bilinear upsampling, or pixel shuffle.

    Args:
        node, inputs, values: as in ``Layer``.
        margin: how many pixels beyond those under a region it reads.
    """

    def __init__(self, node: Node, inputs: Sequence[Node], values: Mapping[Node, Any], *, margin: int = 0) -> None:
        super().__init__(node, inputs, values)
        self.margin = margin
        self.factor: Sizes = tuple(  # type: ignore[assignment]
            mine // size for mine, size in zip(self.sizes, sizes_of(self.inputs[0]), strict=True)
        )

    def needs(self, region: Region) -> list[Region]:
        """Return the part of the input under the region, and a margin."""
        (top, bottom), (left, right) = (
            (low // factor - self.margin, (high - 1) // factor + 1 + self.margin)
            for low, high, factor in zip(region[::2], region[1::2], self.factor, strict=True)
        )
        return [inside(Region(top, bottom, left, right), sizes_of(self.inputs[0]))]

    def run(self, region: Region, parts: Sequence[Any]) -> Any:
        """Return the part of the output."""
        (covered,) = self.needs(region)
        rows, columns = self.factor
        if "shuffle" in str(self.node.target):
            maps = F.pixel_shuffle(parts[0], rows)
        else:
            maps = F.interpolate(parts[0], scale_factor=self.factor, mode="bilinear" if self.margin else "nearest")
        whole = Region(covered.top * rows, covered.bottom * rows, covered.left * columns, covered.right * columns)
        return cut(maps, whole, region)
