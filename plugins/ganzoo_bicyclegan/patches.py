"""The discriminator ``patch_pyramid``: PatchGANs for several image sizes, narrower for smaller images (BicycleGAN)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo_baselines.antialiased import init_xavier
from ganzoo_cyclegan.layers import Norm, Width
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.scales import at_each_scale


class PatchPyramid(nn.Module):
    """One PatchGAN for each of several image sizes, each half as wide as the one before (Zhu et al. 2017, released).

    A 3×3 average pooling of stride 2 halves the images for the next PatchGAN. The adversarial losses sum over the
    returned maps. With two scales of three layers, width 64 and three channels it has 3,458,978 parameters.

    Args:
        in_channels: number of channels of the input: one image, or several images concatenated.
        width: number of channels of the first PatchGAN's first layer.
        layers: number of convolutions of stride 2 in each PatchGAN.
        scales: number of image sizes; the first is the full size.
        norm: the norm of the PatchGANs: ``instance``, ``batch`` or ``none``.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        width: Width = 64,
        layers: Annotated[int, Field(ge=1, le=8)] = 3,
        scales: Annotated[int, Field(ge=1, le=8)] = 2,
        norm: Norm = "instance",
    ) -> None:
        super().__init__()
        self.discriminators = nn.ModuleList(
            Patch(in_channels, width=max(1, width // 2**scale), layers=layers, norm=norm) for scale in range(scales)
        )
        init_xavier(self)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return a map of logits (B, 1, h, w) for each scale, the full size first, for images (B, in_channels, H, W).

        Raises GanzooError if images are too small for a PatchGAN.
        """
        return at_each_scale("patch_pyramid", self.discriminators, images)
