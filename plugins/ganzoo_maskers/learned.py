"""Attention masks trained with the generators (after Mejjati et al. 2018 and Pumarola et al. 2018)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker

Weight = Annotated[float, Field(ge=0)]


class Learned(Masker):
    """A mask of where the generators should change an image: a small network trained with them, in the role composite.

    It needs no masks as examples: it learns from the method's losses, through the composite m·G(x) + (1 − m)·x. By
    themselves, these losses let the mask m collapse in two ways: to 1, which masks nothing (Pumarola et al. 2018,
    GANimation, eq. 4), and to 0, because cycles are poor early in training, so that nothing is translated or learned.
    Three terms, added to the generators' loss, prevent this; a is the mask's mean over an image: ``sparsity`` · a;
    ``opening`` · max(0, least − a); ``smoothness`` · the mask's total variation. One network serves both domains.

    The network has a 7×7 convolution to ``width`` channels, a 3×3 convolution of stride 2 to twice as many, a residual
    block of two 3×3 convolutions, nearest-neighbour upsampling and a 3×3 convolution back to ``width`` channels, all
    with instance norm and ReLU; then a 7×7 convolution to one plane, and a sigmoid.

    Args:
        width: the number of channels of the first layer.
        channels: the number of channels of the images, the same in both domains.
        sparsity: the weight of the mask's mean.
        least: the mean of the mask below which ``opening`` acts.
        opening: the weight of the term that raises the mean to ``least``; it must outweigh the cycle terms.
        smoothness: the weight of the mask's total variation, the mean absolute difference of neighbouring pixels.
    """

    trains: Literal["", "separate", "joint"] = "joint"

    def __init__(
        self,
        *,
        width: Annotated[int, Field(ge=1)] = 32,
        channels: Annotated[int, Field(ge=1)] = 3,
        sparsity: Weight = 1.0,
        least: Annotated[float, Field(ge=0, lt=1)] = 0.1,
        opening: Weight = 30.0,
        smoothness: Weight = 0.1,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.sparsity = sparsity
        self.least = least
        self.opening = opening
        self.smoothness = smoothness
        self.down = nn.Sequential(
            *_layer(channels, width, 7),
            *_layer(width, 2 * width, 3, stride=2),
        )
        self.block = nn.Sequential(*_layer(2 * width, 2 * width, 3), *_layer(2 * width, 2 * width, 3)[:-1])
        self.up = nn.Sequential(*_layer(2 * width, width, 3))
        self.last = nn.Conv2d(width, 1, 7, padding="same", padding_mode="replicate")

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) in [0, 1], float32.

        Raises GanzooError if the images do not have ``channels`` channels.
        """
        if image.shape[1] != self.channels:
            raise GanzooError(
                f"learned: created for images of {self.channels} channels, and these have {image.shape[1]}; "
                "both domains need the same number: set channels"
            )
        # Instance norm needs more than one position at half size.
        image, height, width = _pad_small(image), *image.shape[-2:]
        inner = self.down(image)
        inner = F.relu(inner + self.block(inner))
        logits = self.last(self.up(F.interpolate(inner, image.shape[-2:], mode="nearest")))
        return logits[..., :height, :width].float().sigmoid()

    def terms(self, mask: Tensor) -> dict[str, Tensor]:
        """Return the weighted terms of masks (B, 1, H, W), scalars: ``sparsity``, ``opening`` and ``smoothness``."""
        share = mask.mean(dim=(1, 2, 3))
        variation = mask.diff(dim=2).abs().mean() + mask.diff(dim=3).abs().mean()
        return {
            "sparsity": self.sparsity * share.mean(),
            "opening": self.opening * F.relu(self.least - share).mean(),
            "smoothness": self.smoothness * variation,
        }


def _pad_small(image: Tensor) -> Tensor:
    rows, columns = (max(0, 3 - side) for side in image.shape[-2:])
    return F.pad(image, (0, columns, 0, rows), mode="replicate") if rows or columns else image


def _layer(entering: int, leaving: int, size: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(entering, leaving, size, stride, size // 2, bias=False, padding_mode="replicate")
    return [conv, nn.InstanceNorm2d(leaving, affine=True), nn.ReLU()]
