"""VGG-16 and VGG-19: the output of any layer, for losses (Simonyan and Zisserman 2015, table 1)."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import file_digest
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Source, suggest
from ganzoo_maskers.pretrained import Weights, drop_parts, fetch_weights, mismatch_error, read_weights

Depth = Literal[16, 19]
Input = Literal["torchvision", "caffe"]
Pool = Literal["max", "avg"]

BLOCKS: dict[Depth, tuple[int, ...]] = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Number of convolutions in each block; there is a pool before each block except the first."""
COLOURS: dict[Input, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "torchvision": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "caffe": ((123.680 / 255, 116.779 / 255, 103.939 / 255), (1 / 255,) * 3),
}
"""Mean and deviation of red, green and blue in [0, 1] for each kind of weights; Caffe's networks read blue first."""


class VGG(nn.Module):
    """A frozen VGG without its classifier; it returns the maps of layers by name.

    The layers are ``conv1_1``, ``relu1_1``, ``conv1_2`` and so on. The number of maps of each layer is that of the
    weights.

    Args:
        depth: the number of layers with weights in the whole VGG: 16 or 19.
        weights: a state dict with torchvision's names, ``features.0.weight``, or layer names, ``conv1_1.weight``.
            Weights of the classifier are ignored.
        input: the input range that the weights were trained with.
        pool: the kind of the 2×2 pools: ``max`` or ``avg``.
        unpooled: the numbers of the blocks, 2 … 5, that have no pool before them.
        origin: the weights file, for error messages.

    Raises:
        GanzooError: the weights belong to another network.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        depth: Depth,
        weights: Weights,
        *,
        input: Input = "torchvision",
        pool: Pool = "max",
        unpooled: Iterable[int] = (),
        origin: Path = Path("torchvision"),
    ) -> None:
        super().__init__()
        self.depth = depth
        self.blue_first = input == "caffe"
        for name, values in zip(("mean", "std"), COLOURS[input], strict=True):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        self.pool = F.max_pool2d if pool == "max" else F.avg_pool2d
        self.pooled = {f"{block}_1" for block in range(2, 6)} - {f"{block}_1" for block in unpooled}
        named = _by_layer(depth, weights)
        if wrong := _first_mismatch(depth, named):
            raise mismatch_error(origin, f"VGG-{depth}", ValueError(wrong))
        self.convs = nn.ModuleDict()
        for place in places(depth):
            filled = {part: named[f"conv{place}.{part}"].float() for part in ("weight", "bias")}
            leaving, entering = filled["weight"].shape[:2]
            self.convs[place] = nn.Conv2d(entering, leaving, 3, padding=1, device="meta")
            self.convs[place].load_state_dict(filled, assign=True)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return the maps (B, N, H', W') of the named layers, by layer, for images (B, 1 or 3, H, W) in [−1, 1].

        Names of layers that do not exist are ignored: check them with ``require_layers``. Raises GanzooError for other
        numbers of channels, and for images too small for the pools before the last of the layers.
        """
        wanted = set(layers)
        maps_of: dict[str, Tensor] = {}
        maps = self.normalize(image)
        for name, conv in self.convs.items():
            if len(maps_of) == len(wanted):
                break
            if name in self.pooled:
                if min(maps.shape[-2:]) < 2:
                    size = "×".join(map(str, reversed(image.shape[-2:])))
                    raise GanzooError(
                        f"images of {size} pixels are too small for VGG's {', '.join(sorted(wanted))}: use larger ones"
                    )
                maps = self.pool(maps, 2)
            maps = conv(maps)
            outputs = {f"conv{name}": maps, f"relu{name}": (maps := maps.relu())}
            maps_of |= {layer: one for layer, one in outputs.items() if layer in wanted}
        return maps_of

    def normalize(self, image: Tensor) -> Tensor:
        """Return images (B, 1 or 3, H, W) in [−1, 1] as the network's input: (B, 3, H, W) in the weights' range.

        Raises GanzooError for other numbers of channels.
        """
        if image.shape[1] not in (1, 3):
            raise GanzooError(f"VGG accepts images of 1 or 3 channels; these have {image.shape[1]}")
        image = ((image.to(self.mean.dtype) + 1) / 2 - self.mean) / self.std
        return image.flip(1) if self.blue_first else image

    def width(self, layer: str) -> int:
        """Return the number of maps of a layer, such as ``relu3_1``."""
        return int(self.convs[layer[-3:]].out_channels)  # type: ignore[arg-type]


def places(depth: Depth) -> list[str]:
    """Return the places of all convolutions, in order, each as the block's number, ``_`` and the number in the block.

    >>> places(16)[:3], len(places(19))
    (['1_1', '1_2', '2_1'], 16)
    """
    return [f"{block}_{i}" for block, count in enumerate(BLOCKS[depth], 1) for i in range(1, count + 1)]


def require_layers(depth: Depth, layers: Iterable[str]) -> None:
    """Raise GanzooError if VGG-16 or VGG-19 (``depth``) has no layer of one of the names."""
    known = [f"{kind}{place}" for place in places(depth) for kind in ("conv", "relu")]
    for layer in layers:
        if layer not in known:
            raise GanzooError(f"VGG-{depth} has no layer {layer!r}{suggest(layer, known)}")


def read_vgg(
    depth: Depth, weights: Path | None, input: Input, *, pool: Pool = "max", unpooled: Iterable[int] = ()
) -> VGG:
    """Return a VGG with the weights of a file, by default torchvision's, which are downloaded if missing.

    The arguments are those of ``VGG``. Raises GanzooError if the weights are missing or belong to another network, and
    for ``caffe`` without a file.
    """
    if weights is None and input == "caffe":
        raise GanzooError("input: caffe needs a file of Caffe weights, weights: FILE; or set input: torchvision")
    file = weights or fetch_weights(f"torchvision/vgg{depth}")
    return VGG(depth, read_weights(file), input=input, pool=pool, unpooled=unpooled, origin=file)


def weights_sources(weights: Path | None) -> dict[str, Source]:
    """Return the path and checksum of a weights file under ``weights``, for the attribute ``sources`` of a component.

    The result is empty for torchvision's weights (None), which never change.
    """
    if weights is None:
        return {}
    with weights.open("rb") as file:
        return {"weights": Source(weights, file_digest(file, "sha256").hexdigest()[:16])}


def _by_layer(depth: Depth, weights: Weights) -> Weights:
    """Return weights under layer names, such as ``conv1_1.weight``, without those of the classifier."""
    numbers: dict[int, str] = {}
    number = 0
    for count in BLOCKS[depth]:
        for i in range(count):
            numbers[number + 2 * i] = places(depth)[len(numbers)]  # a ReLU follows each
        number += 2 * count + 1
    names = {f"features.{number}": f"conv{place}" for number, place in numbers.items()}
    named = {}
    for key, one in drop_parts(weights, ["classifier", "fc6", "fc7", "fc8"]).items():
        layer, _, part = key.rpartition(".")
        named[f"{names.get(layer, layer)}.{part}"] = one
    return named


def _first_mismatch(depth: Depth, named: Weights) -> str:
    """Return the first reason why weights, by layer name, do not fit a VGG; an empty string if they fit."""
    wanted = [f"conv{place}.{part}" for place in places(depth) for part in ("weight", "bias")]
    if odd := [key for key in wanted if key not in named]:
        return f"{odd[0]} is not in it"
    if odd := sorted(named.keys() - set(wanted)):
        return f"{odd[0]} is in it"
    entering = 3
    for place in places(depth):
        shapes = [tuple(named[f"conv{place}.{part}"].shape) for part in ("weight", "bias")]
        if shapes[0][1:] != (entering, 3, 3) or shapes[1] != shapes[0][:1]:
            return f"conv{place} is of {shapes[0]} and {shapes[1]}, after {entering} maps"
        entering = shapes[0][0]
    return ""
