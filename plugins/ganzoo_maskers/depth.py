"""Masks of what is near, by a pretrained network that estimates depth."""

from __future__ import annotations

from math import lcm
from pathlib import Path
from typing import Annotated, Self

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker
from ganzoo_maskers.hub_networks import HubNetwork
from ganzoo_maskers.maps import mask_of

KINDS = {"depth_anything": "DepthAnythingForDepthEstimation", "dpt": "DPTForDepthEstimation"}
METRES = 1e-3
"""The smallest depth, in metres, that a metric network's output counts as."""


class Depth(Masker):
    """How near each pixel is: the inverse depth (disparity), scaled to [0, 1] by the extremes of each image.

    1 is the nearest point and 0 the farthest one. The options of every masker make it a mask of near things
    (``threshold``, or ``quantile`` here) or of far ones (``invert``). Networks: Depth Anything (Yang et al. 2024, both
    versions) and DPT (Ranftl et al. 2021); a network that estimates metres is inverted. It needs ``pip install
    'ganzoo-i2i[transformers]'``.

    Args:
        model: the name of a network on the Hugging Face hub.
        weights: a folder with the network's ``config.json``, ``preprocessor_config.json`` and ``model.safetensors``; by
            default those of ``model`` are downloaded once.
        quantile: if set, the mask is 1 for the fraction 1 − quantile of an image's pixels that are nearest, and 0
            elsewhere.
        size: the length, in pixels, to which an image's shorter side is scaled for the network (for DPT both sides),
            rounded to the multiple that the network needs; 0: the network's own, mostly 518 or 384.
    """

    def __init__(
        self,
        *,
        model: str = "depth-anything/Depth-Anything-V2-Small-hf",
        weights: Path | None = None,
        quantile: Annotated[float, Field(ge=0, lt=1)] | None = None,
        size: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.quantile = quantile
        loaded = HubNetwork("depth", model, weights, KINDS)
        self.network, self.normalize = loaded.network, loaded.normalize
        self.metric = loaded.config.get("depth_estimation_type") == "metric"
        self.square = loaded.kind == "dpt"
        try:
            own = loaded.preparation["size"]
            self.size = int(size or (own["height"] if isinstance(own, dict) else own))
            self.multiple = lcm(int(loaded.network.config.patch_size), int(loaded.preparation["ensure_multiple_of"]))
        except (KeyError, TypeError, ValueError) as error:
            raise GanzooError(f"depth: {weights or model}: the size of its images is not known ({error!r})") from None

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode whatever ``mode`` is, because the network is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) in [0, 1].

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        with torch.autocast(image.device.type, enabled=False):
            return mask_of(self.disparity(image), image, self.quantile)

    def disparity(self, image: Tensor) -> Tensor:
        """Return the inverse depth of images at the network's size, (B, 1, h, w) float32, not negative.

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        shorter = min(image.shape[-2:])
        lengths = [self.size] * 2 if self.square else [side * self.size / shorter for side in image.shape[-2:]]
        sides = [max(1, round(length / self.multiple)) * self.multiple for length in lengths]
        inputs = F.interpolate(self.normalize(image), sides, mode="bicubic", antialias=True)
        depth: Tensor = self.network(pixel_values=inputs).predicted_depth[:, None]
        return 1 / depth.clamp(min=METRES) if self.metric else depth.clamp(min=0)
