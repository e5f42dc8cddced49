"""``background_lpips``: LPIPS between the background of a translation and that of its source."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Source, Step
from ganzoo_maskers.pretrained import drop_parts, fetch_weights, mismatch_error, read_weights
from ganzoo_metrics.background import SourceMask, Which, source_and_fake
from ganzoo_metrics.networks import weights_source

Net = Literal["alex", "squeeze", "vgg"]

MODELS: dict[Net, str] = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}
"""Maps LPIPS's names of its trunks, the networks that give the features, to torchvision's names."""
SMALLEST: dict[Net, int] = {"alex": 31, "squeeze": 17, "vgg": 16}
"""The smallest side of an image, in pixels, for which a trunk's last layers still have values."""


class BackgroundLPIPS(Metric):
    """LPIPS between real_X and m·real_X + (1 − m)·fake_Y: the change of the background, with the foreground restored.

    X is the direction's source, Y its target, and m the mask of the source image, 1 in the foreground. Translations are
    clamped to [−1, 1], as when they are saved. The value is the mean over images. It is 0 if nothing outside the mask
    changed, and for an image that is all foreground. Unlike ``background_l1``, it depends on how large the background
    is.

    LPIPS is version 0.1, with the linear heads of the package lpips. Images of one channel are repeated to three.

    Args:
        mask: ``given``: the data set's mask; ``input``, ``discriminator``, ``composite``: the mask that the recipe's
            masker in that role computes from the source image.
        net: the trunk, the network that gives the features. Most papers report ``alex``; values of different trunks are
            not comparable.
        weights: a file with the trunk's weights as torchvision names them (alexnet, squeezenet1_1, vgg16), safetensors
            or a torch state dict; by default torchvision's weights are downloaded once.
    """

    def __init__(self, *, mask: Which = "given", net: Net = "alex", weights: Path | None = None) -> None:
        self.mask = SourceMask("background_lpips", mask)
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources, self.about = {"weights": source}, describe_trunk(net, source)

    def bind(self, method: Method, reader: Reader) -> None:
        """Prepare to compute or read the masks.

        Raises GanzooError if the recipe has no masker in the role ``mask`` or, for ``given``, the data set has no
        masks.
        """
        self.mask.bind(method, reader)

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the distance of each image, (B,).

        Raises GanzooError if the mask or the source image is missing, for domains with different numbers of channels,
        and for images that do not have 1 or 3 channels or are too small for the trunk.
        """
        real, fake = source_and_fake("background_lpips", step, direction)
        require_accepted("background_lpips", self.net, real)
        mask = self.mask.of(step, direction[0])
        restored = mask * real + (1 - mask) * fake
        with torch.autocast(real.device.type, enabled=False):
            original, changed = (one.expand(-1, 3, -1, -1) for one in (real, restored))
            return {"background_lpips": self.distance.to(real.device)(original, changed).flatten()}


def require_accepted(metric: str, net: Net, image: Tensor) -> None:
    """Raise GanzooError for images (B, C, H, W) that do not have 1 or 3 channels, or are too small for the trunk."""
    channels, height, width = image.shape[1:]
    if channels not in (1, 3):
        raise GanzooError(
            f"evaluate.metrics: {metric} accepts images of 1 or 3 channels; these have {channels}: remove the metric"
        )
    if min(height, width) < SMALLEST[net]:
        raise GanzooError(
            f"evaluate.metrics: {metric}: images of {width}×{height} pixels are too small for the net {net!r}, which "
            f"needs {SMALLEST[net]} a side: make images.size larger, or take another net"
        )


def describe_trunk(net: Net, source: Source) -> dict[str, str]:
    """Return the fields of a record that name the trunk, ``network``, and the checksum of its file, ``weights``."""
    return {"network": f"lpips/{net}", "weights": source.key}


def make_lpips(net: Net, weights: Path | None) -> tuple[nn.Module, Source]:
    """Return LPIPS, frozen, in eval mode, and the path and checksum of its trunk's weights.

    LPIPS maps two batches of images, (B, 3, H, W) in [−1, 1], to their distances, (B, 1, 1, 1).

    Args:
        net: the trunk.
        weights: the file of the trunk's weights, see ``BackgroundLPIPS``; None: torchvision's, downloaded if missing.

    Raises:
        GanzooError: the weights are missing, or belong to another network.
    """
    import lpips  # type: ignore[import-untyped]  # slow import: takes seconds, like torchvision

    file = weights or fetch_weights(f"torchvision/{MODELS[net]}")  # the LPIPS heads were trained on these weights
    trunk = read_weights(file)
    # Create it without weights, because lpips would load its heads without weights_only. Meanwhile lpips draws random
    # weights, and calls torchvision in a way that raises warnings.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore", category=UserWarning):
        model: Any = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    heads = read_weights(Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth")
    model.lins.load_state_dict({name.removeprefix("lin"): one for name, one in heads.items()})
    # lpips cuts the trunk into slices whose layers keep torchvision's numbers; merge them to get its names.
    layers = {number: layer for part in model.net.children() for number, layer in part.named_children()}
    try:
        nn.ModuleDict({"features": nn.ModuleDict(layers)}).load_state_dict(drop_parts(trunk, ["classifier"]))
    except RuntimeError as error:
        raise mismatch_error(file, MODELS[net], error) from None
    frozen: nn.Module = model.eval().requires_grad_(False)
    return frozen, weights_source(file)
