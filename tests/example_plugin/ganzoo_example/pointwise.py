"""The generator ``pointwise``: translate each pixel by itself."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn


class Pointwise(nn.Module):
    """Translate each pixel by itself, with 1×1 convolutions, for images of any height and width.

    Args:
        in_channels: channels of the input images. Ganzoo passes the parameters before the ``*``.
        out_channels: channels of the output images.
        width: channels of the hidden layers. The parameters after the ``*`` are options that recipes may set.
        layers: number of hidden layers.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Annotated[int, Field(ge=1)] = 16,
        layers: Annotated[int, Field(ge=0)] = 1,
    ) -> None:
        super().__init__()
        blocks: list[nn.Module] = []
        for i in range(layers):
            blocks += [nn.Conv2d(width if i else in_channels, width, 1), nn.ReLU()]
        self.body = nn.Sequential(*blocks, nn.Conv2d(width if layers else in_channels, out_channels, 1), nn.Tanh())

    def forward(self, image: Tensor) -> Tensor:
        """Translate (B, in_channels, H, W) to (B, out_channels, H, W), both in [−1, 1]."""
        return self.body(image)
