"""Modulated convolutions, by which the style of an image steers the decoder of ``vit_unet``."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo_cyclegan.layers import Padding, padding_mode


class ModulatedConv2d(nn.Module):
    """A 3×3 convolution whose input channels a style scales, and whose output is normalized for it.

    s = 1 + α · linear(style), with α at first 0; y = (w * (s ⊙ x) + b) / √(Σ (s w)² + 1e-6), the sum over the input
    channels and the kernel (Karras et al. 2020, eq. 1 and 3; Torbunov et al., arXiv 2303.16280).

    Args:
        in_channels: number of channels of the input.
        out_channels: number of channels of the output.
        style: length of the style.
        padding: border padding of the maps.
    """

    def __init__(self, in_channels: int, out_channels: int, style: int, padding: Padding) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, padding_mode=padding_mode(padding))
        self.affine = nn.Linear(style, in_channels)
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor, style: Tensor) -> Tensor:
        """Return the maps (B, out_channels, h, w) for maps (B, in_channels, h, w) and styles (B, length)."""
        scale = 1 + self.alpha * self.affine(style)
        with torch.autocast(maps.device.type, enabled=False):  # squares and their root need float32
            precise = scale.to(self.conv.weight.dtype)
            norm = torch.rsqrt(precise.square() @ self.conv.weight.square().sum((2, 3)).T + 1e-6)
        changed = self.conv(maps * precise.to(maps.dtype)[:, :, None, None])
        return changed * norm.to(changed.dtype)[:, :, None, None]
