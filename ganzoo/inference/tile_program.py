"""Run a traced network over an image by tiles, exactly: each layer reads the context and the statistics that it needs.

The graph is cut where a layer needs something of a whole map: at norms and means, which read its statistics, and at
layers of unknown kinds. Between the cuts nothing whole is in memory: each tile is computed through all layers, from the
maps that are. Small maps at the cuts are kept; large ones are computed again, tile by tile, where they are needed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.export.graph_signature import InputKind, TensorArgument
from torch.fx import Node
from torch.fx.node import map_arg

from ganzoo.errors import GanzooError
from ganzoo.inference.tile_kinds import layer_of, spreads_values
from ganzoo.inference.tile_layers import Layer, Region, cut, sizes_of
from ganzoo.inference.tile_statistics import Moments, Normalize, Reduction, reduction

SMALL = 4
"""A map is kept if it has at most this fraction, 1 / SMALL, of the largest one's bytes."""
DEPTH = 2
"""A map of any size is kept if this many norms would have to be computed again for it."""
CONTEXT = 64
"""A small map is kept if so many pixels of the image around each of its own are read from kept maps."""


@dataclass(eq=False)
class Pass:
    """Computes a map tile by tile, to keep it, for its statistics, or both.

    Args:
        target: the map.
        keep: whether it is kept.
        norms, reductions: the layers that read its statistics.
        order: the nodes that are computed for each tile, in order, kept ones included.
        sources: those of them that are kept.
    """

    target: Node
    keep: bool
    norms: list[Normalize] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    order: list[Node] = field(default_factory=list)
    sources: set[Node] = field(default_factory=set)


class Program:
    """A traced network that runs by tiles.

    Args:
        exported: the trace, for one image of fixed size; its outputs are maps (1, C, H, W).
    """

    def __init__(self, exported: ExportedProgram) -> None:
        self.graph = exported.graph
        self.user_inputs: list[Node] = []
        self.weights: dict[Node, Any] = {}
        placeholders = {node.name: node for node in self.graph.nodes if node.op == "placeholder"}
        for spec in exported.graph_signature.input_specs:
            node = placeholders[spec.arg.name]
            if spec.kind is InputKind.USER_INPUT:
                self.user_inputs += [node] if isinstance(spec.arg, TensorArgument) else []  # else it is None
            else:
                stored: Mapping[str, Any] = (
                    exported.state_dict if spec.target in exported.state_dict else exported.constants
                )
                assert spec.target is not None
                self.weights[node] = stored[spec.target]
        (output,) = (node for node in self.graph.nodes if node.op == "output")
        self.outputs: list[Node] = list(output.args[0])
        self.image = self.user_inputs[0]
        self.nodes = self._needed()
        self.values: dict[Node, Any] = {}
        """Node → its value: of weights, of what follows from them, and of maps as long as they are kept."""
        self.layers: dict[Node, Layer] = {}
        self.reductions: dict[Node, Reduction] = {}
        self.whole: set[Node] = set()
        """Nodes of unknown kinds, which get whole maps."""
        self.maps = self._find_maps()
        self.kept = self._choose_kept()
        self.actions = self._plan()
        self.last_use = self._last_uses()

    def _needed(self) -> list[Node]:
        """Return the nodes that the outputs follow from, in order."""
        needed: set[Node] = set()
        waiting = list(self.outputs)
        while waiting:
            node = waiting.pop()
            if node not in needed:
                needed.add(node)
                waiting += node.all_input_nodes
        return [node for node in self.graph.nodes if node in needed]

    def _find_maps(self) -> set[Node]:
        """Return the nodes that are maps of more than one pixel, and build their layers."""
        maps: set[Node] = set()
        size = self.image.meta["val"].shape[2:]
        for node in self.nodes:
            value = node.meta["val"]
            first = value[0] if isinstance(value, tuple | list) and value else value
            inputs = [one for one in node.all_input_nodes if one in maps]
            is_map = isinstance(first, Tensor) and first.ndim == 4 and first.shape[2:].numel() > 1
            # else it is a weight, unless it is as large as the image: a mask that does not depend on it
            is_map = is_map and bool(
                inputs or node in self.user_inputs or first.shape[2:] == size or spreads_values(node)
            )
            if is_map:
                maps.add(node)
            if node.op == "placeholder":
                continue
            if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
                raise GanzooError(
                    f"the networks draw random numbers ({node.target}), which cannot be computed by tiles; --tile none "
                    "translates the whole image"
                )
            layer = layer_of(node, inputs, self.values) if is_map else None
            if layer is not None:
                self.layers[node] = layer
            elif not is_map and (found := reduction(node, inputs)):
                self.reductions[node] = found
            elif is_map or inputs:
                self.whole.add(node)
        return maps

    def _choose_kept(self) -> set[Node]:
        """Return the maps that are kept whole from when they are computed until their last use."""
        place = {node: i for i, node in enumerate(self.nodes)}
        cuts = [place[node] for node in self.nodes if self._is_cut(node)]
        limit = max(_size(node) for node in self.maps) / SMALL
        kept = {node for node in self.maps if node.op == "placeholder" or node in self.outputs or node in self.whole}
        kept |= {one for node in self.whole for one in node.all_input_nodes if one in self.maps}
        depth: dict[Node, int] = {}
        context: dict[Node, float] = {}
        for node in (one for one in self.nodes if one in self.maps):
            inputs = self.layers[node].inputs if node in self.layers else []
            before = [one for one in inputs if one not in kept]
            depth[node] = max((depth[one] for one in before), default=0) + isinstance(self.layers.get(node), Normalize)
            context[node] = max((context[one] for one in before), default=0.0) + self._context(node)
            if isinstance(node.meta["val"], tuple | list):
                continue  # its items are kept
            uses = [place[user] for user in node.users if user in place]
            several = any(min(uses) < one < max(uses) for one in cuts) if uses else False
            wanted = several or any(self._is_cut(user) for user in node.users)
            grows = depth[node] > 0 and any(_size(user) > limit for user in node.users if user in self.maps)
            useful = wanted or grows or context[node] >= CONTEXT
            if (wanted and depth[node] >= DEPTH) or (useful and _size(node) <= limit):
                kept.add(node)
        return kept

    def _is_cut(self, node: Node) -> bool:
        return isinstance(self.layers.get(node), Normalize) or node in self.reductions or node in self.whole

    def _context(self, node: Node) -> float:
        """Return how many pixels of the image a layer reads around those that it computes."""
        layer = self.layers.get(node)
        if layer is None or not layer.inputs or isinstance(layer, Normalize):
            return 0.0
        height, width = layer.sizes
        region = layer.needs(Region(height // 2, height // 2 + 1, width // 2, width // 2 + 1))[0]
        scale = sizes_of(self.image)[0] / sizes_of(layer.inputs[0])[0]
        return (region.bottom - region.top - 1) / 2 * scale

    def _plan(self) -> list[Pass | Node]:
        """Return what is done, in order: passes, and nodes that are computed at once, from values and whole maps."""
        actions: list[Pass | Node] = []
        passes: dict[Node, Pass] = {}
        done: set[Node] = set(self.user_inputs)

        def compute(node: Node, *, keep: bool) -> Pass | None:
            if node in done or node not in self.layers:
                return None
            if node not in passes:
                passes[node] = Pass(node, keep)
                self._fill(passes[node])
                actions.append(passes[node])
            return passes[node]

        for node in self.nodes:
            layer = self.layers.get(node)
            if isinstance(layer, Normalize) or node in self.reductions:
                source = node.all_input_nodes[0] if layer is None else layer.inputs[0]
                made = compute(source, keep=source in self.kept) or self._reread(source, passes, actions)
                if isinstance(layer, Normalize):
                    made.norms.append(layer)
                else:
                    made.reductions.append(self.reductions[node])
            elif node in self.whole or (node not in self.maps and node.op != "placeholder"):
                actions.append(node)
            if node in self.kept:
                compute(node, keep=True)
        return actions

    def _reread(self, source: Node, passes: dict[Node, Pass], actions: list[Pass | Node]) -> Pass:
        """Return a pass over a map that is kept already, for its statistics."""
        if source not in passes:
            passes[source] = Pass(source, keep=False, order=[source], sources={source})
            actions.append(passes[source])
        return passes[source]

    def _fill(self, one: Pass) -> None:
        """Find the nodes that a pass computes, and the kept maps that it starts from."""
        wanted, waiting = {one.target}, list(self.layers[one.target].inputs)
        while waiting:
            node = waiting.pop()
            if node in wanted:
                continue
            wanted.add(node)
            if node in self.kept:
                one.sources.add(node)
            else:
                waiting += self.layers[node].inputs
        one.order = [node for node in self.nodes if node in wanted]

    def _last_uses(self) -> dict[int, list[Node]]:
        """Return index of an action → the kept maps that no later action reads."""
        last: dict[Node, int] = {}
        for i, action in enumerate(self.actions):
            reads = action.sources if isinstance(action, Pass) else set(action.all_input_nodes) & self.maps
            last |= dict.fromkeys(reads, i)
        ending: dict[int, list[Node]] = {}
        for node, i in last.items():
            if node not in self.outputs and node.op != "placeholder":
                ending.setdefault(i, []).append(node)
        return ending

    @property
    def planned_bytes(self) -> int:
        """The most memory that kept maps take at once, the outputs included and the inputs not."""
        sizes: dict[Node, int] = {}
        most = 0
        for i, action in enumerate(self.actions):
            target = action.target if isinstance(action, Pass) and action.keep else None
            replaced = self._replaceable(action, i) if isinstance(action, Pass) and target else None
            if target:
                sizes[target] = _size(target)
                if replaced:
                    sizes.pop(replaced)
            most = max(most, sum(sizes.values()))
            for node in self.last_use.get(i, []):
                sizes.pop(node, None)
        return most

    def _replaceable(self, action: Pass, index: int) -> Node | None:
        """Return a kept map of the same kind as the target that ends with this pass: its memory is used again."""
        mine = action.target.meta["val"]
        for node in self.last_use.get(index, []):
            value = node.meta["val"]
            if node in action.sources and (value.shape, value.dtype) == (mine.shape, mine.dtype):
                return node
        return None

    @torch.no_grad()
    def run(self, inputs: Sequence[Tensor], tile: int) -> list[Tensor]:
        """Return the outputs for the inputs of the traced function, computed by tiles.

        Args:
            inputs: the inputs, of the shapes that were traced; the first is the image.
            tile: the side of a tile, in pixels of the image.
        """
        self.values.clear()
        self.values.update(self.weights)
        self.values.update(zip(self.user_inputs, inputs, strict=True))
        try:
            for i, action in enumerate(self.actions):
                if isinstance(action, Pass):
                    self._run_pass(action, self._replaceable(action, i) if action.keep else None, tile)
                else:
                    self.values[action] = self._compute_whole(action)
                for node in self.last_use.get(i, []):
                    self.values.pop(node, None)
            return [self.values[node] for node in self.outputs]
        finally:
            self.values.clear()

    def _compute_whole(self, node: Node) -> Any:
        args, kwargs = map_arg((node.args, node.kwargs), lambda one: self.values[one])
        return node.target(*args, **kwargs)  # type: ignore[operator]

    def _run_pass(self, one: Pass, replaced: Node | None, tile: int) -> None:
        """Compute a map tile by tile; keep it, in the memory of the map ``replaced`` if there is one."""
        regions = tiles(sizes_of(one.target), sizes_of(self.image), tile)
        wanted = [self._regions(one, region) for region in regions]
        readers = self._last_readers(regions, [parts.get(replaced) for parts in wanted]) if replaced else []
        result: Tensor | None = self.values[replaced] if replaced else None
        statistics = [Moments() for _ in (*one.norms, *one.reductions)]
        for norm, moments in zip(one.norms, statistics, strict=False):
            norm.moments = moments
        for mean, moments in zip(one.reductions, statistics[len(one.norms) :], strict=True):
            mean.moments = moments
        held: deque[tuple[int, Tensor]] = deque()
        for i, region in enumerate(regions):
            part = self._run_tile(one, region, wanted[i])
            for moments in statistics:
                moments.add(part)
            if one.keep:
                if result is None:
                    result = _empty_like(one.target, part)
                held.append((i, part))
                while held and (not readers or readers[held[0][0]] <= i):
                    written, ready = held.popleft()
                    cut(result, _whole(one.target), regions[written]).copy_(ready)
        if one.keep:
            self.values[one.target] = result
        for mean in one.reductions:
            self.values[mean.node] = mean.value(part)

    @staticmethod
    def _last_readers(regions: Sequence[Region], reads: Sequence[Region | None]) -> list[int]:
        """Return for each region the last tile that reads a pixel of it."""
        return [
            max((i for i, read in enumerate(reads) if read and read.meets(region)), default=0) for region in regions
        ]

    def _regions(self, one: Pass, region: Region) -> dict[Node, Region]:
        """Return the part of each map that a tile needs."""
        wanted = {one.target: region}
        for node in reversed(one.order):
            if node in one.sources or node not in wanted:
                continue
            layer = self.layers[node]
            for source, part in zip(layer.inputs, layer.needs(wanted[node]), strict=True):
                wanted[source] = wanted[source].joined(part) if source in wanted else part
        return wanted

    def _run_tile(self, one: Pass, region: Region, wanted: Mapping[Node, Region]) -> Tensor:
        """Return the part of a pass's map in a region."""
        parts: dict[Node, Any] = {}
        uses: dict[Node, int] = {}
        for node in one.order:
            if node not in one.sources:
                for source in self.layers[node].inputs:
                    uses[source] = uses.get(source, 0) + 1
        for node in one.order:
            if node in one.sources:
                parts[node] = cut(self.values[node], _whole(node), wanted[node])
                continue
            layer = self.layers[node]
            needed = layer.needs(wanted[node])
            inputs = [
                cut(parts[source], wanted[source], part) for source, part in zip(layer.inputs, needed, strict=True)
            ]
            for source in layer.inputs:
                uses[source] -= 1
                if not uses[source]:
                    del parts[source]
            parts[node] = layer.run(wanted[node], inputs)
            del inputs
        result: Tensor = parts[one.target]
        return result


def tiles(sizes: tuple[int, int], image: tuple[int, int], tile: int) -> list[Region]:
    """Return the tiles of a map, row by row; together they cover it once.

    Args:
        sizes: height and width of the map.
        image: height and width of the image.
        tile: the largest side of a tile, in pixels of the image; the sides of all tiles differ by a pixel at most.

    >>> tiles((4, 4), (8, 8), 4)[1]
    Region(top=0, bottom=2, left=2, right=4)
    """
    spans = []
    for size, original in zip(sizes, image, strict=True):
        count = min(size, -(-original // tile))
        edges = [i * size // count for i in range(count + 1)]
        spans.append(list(pairwise(edges)))
    return [Region(*rows, *columns) for rows in spans[0] for columns in spans[1]]


def _whole(node: Node) -> Region:
    height, width = sizes_of(node)
    return Region(0, height, 0, width)


def _size(node: Node) -> int:
    """Return the bytes of the maps that a node computes."""
    value = node.meta["val"]
    maps = [one for one in (value if isinstance(value, tuple | list) else [value]) if one is not None]
    return sum(one.numel() * one.element_size() for one in maps)


def _empty_like(node: Node, part: Tensor) -> Tensor:
    """Return memory for a map, in the layout of a part of it."""
    last = part.shape[1] > 1 and part.stride(1) == 1
    wanted = torch.channels_last if last else torch.contiguous_format
    return torch.empty(node.meta["val"].shape, dtype=part.dtype, device=part.device, memory_format=wanted)
