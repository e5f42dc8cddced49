"""``background_lpips``: LPIPS between the background of a translation and that of its source."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Source, Step
from ganzoo_maskers.pretrained import fetched, misfit, read_weights, without
from ganzoo_metrics.background import SourceMask, Which, source_and_fake
from ganzoo_metrics.networks import source_of

Net = Literal["alex", "squeeze", "vgg"]

MODELS: dict[Net, str] = {"alex": "alexnet", "squeeze": "squeezenet1_1", "vgg": "vgg16"}
"""LPIPS's names for its trunks → torchvision's."""
SMALLEST: dict[Net, int] = {"alex": 31, "squeeze": 17, "vgg": 16}
"""The side, in pixels, below which a trunk's last layers have nothing left to see."""


class BackgroundLPIPS(Metric):
    """LPIPS between real_X and m·real_X + (1 − m)·fake_Y: how far off the background looks, the foreground put back.

    X is the direction's source, Y its target, m the mask of the source image, 1 where the foreground is; translations
    are cut to [−1, 1] as they are saved. Then the mean over images. 0: nothing outside the mask has changed, as in a
    image that is all foreground. Unlike background_l1, it grows with the background's share of the image.

    LPIPS is version 0.1, with the linear heads that the package lpips carries. Images of one channel are seen as
    grey ones of three.

    Args:
        mask: ``given``: m comes with the data; ``input``, ``discriminator``, ``composite``: the recipe's masker in that
            role
            makes it of the source image.
        net: the trunk. ``alex`` is what papers mostly report; values of different trunks do not compare.
        weights: a file with the trunk's weights as torchvision names them (alexnet, squeezenet1_1, vgg16), safetensors
            or a torch state dict; without it torchvision's own are fetched, once.
    """

    def __init__(self, *, mask: Which = "given", net: Net = "alex", weights: Path | None = None) -> None:
        self.mask = SourceMask("background_lpips", mask)
        self.net: Net = net
        self.distance, source = make_lpips(net, weights)
        self.sources, self.about = {"weights": source}, about(net, source)

    def bind(self, method: Method, reader: Reader) -> None:
        """Take the run's maskers. Raises GanzooError when they, or the data, give no masks."""
        self.mask.bind(method, reader)

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) distances.

        Raises GanzooError without a mask or a source, for domains with different numbers of channels, for images of
        other than 1 or 3 channels, and for images that are too small for the trunk.
        """
        real, fake = source_and_fake("background_lpips", step, direction)
        require_visible("background_lpips", self.net, real)
        mask = self.mask.of(step, direction[0])
        put_back = mask * real + (1 - mask) * fake
        with torch.autocast(real.device.type, enabled=False):
            seen, changed = (one.expand(-1, 3, -1, -1) for one in (real, put_back))
            return {"background_lpips": self.distance.to(real.device)(seen, changed).flatten()}


def require_visible(metric: str, net: Net, image: Tensor) -> None:
    """Raise GanzooError for images (B, C, H, W) that a trunk cannot see."""
    channels, height, width = image.shape[1:]
    if channels not in (1, 3):
        raise GanzooError(
            f"evaluate.metrics: {metric} sees images of 1 or 3 channels; these have {channels}: take the metric out"
        )
    if min(height, width) < SMALLEST[net]:
        raise GanzooError(
            f"evaluate.metrics: {metric}: images of {width}×{height} pixels are too small for the net {net!r}, which "
            f"needs {SMALLEST[net]} a side: make images.size larger, or take another net"
        )


def about(net: Net, source: Source) -> dict[str, str]:
    """Return what records say of a trunk and the file of its weights."""
    return {"network": f"lpips/{net}", "weights": source.key}


def make_lpips(net: Net, weights: Path | None) -> tuple[nn.Module, Source]:
    """Return LPIPS, frozen, in eval mode: two times (B, 3, H, W) in [−1, 1] → (B, 1, 1, 1), float32; and its file.

    Args:
        net: the trunk.
        weights: the trunk's weights, see ``BackgroundLPIPS``.

    Raises:
        GanzooError: the weights cannot be had, or are another network's.
    """
    import lpips  # type: ignore[import-untyped]  # takes seconds, as torchvision does

    file = weights or fetched(f"torchvision/{MODELS[net]}")  # those that LPIPS's heads were trained on
    trunk = read_weights(file)
    # Made without any weights, as lpips would load its heads without weights_only; it draws random ones meanwhile, and
    # calls torchvision in a way that this warns of.
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore", category=UserWarning):
        model: Any = lpips.LPIPS(net=net, pretrained=False, pnet_rand=True, verbose=False)
    heads = read_weights(Path(lpips.__file__).parent / "weights" / "v0.1" / f"{net}.pth")
    model.lins.load_state_dict({name.removeprefix("lin"): one for name, one in heads.items()})
    # lpips cuts the trunk into slices whose layers keep torchvision's numbers: together again, they fit its names.
    layers = {number: layer for part in model.net.children() for number, layer in part.named_children()}
    try:
        nn.ModuleDict({"features": nn.ModuleDict(layers)}).load_state_dict(without(trunk, ["classifier"]))
    except RuntimeError as error:
        raise misfit(file, MODELS[net], error) from None
    made: nn.Module = model.eval().requires_grad_(False)
    return made, source_of(file)
