"""What the CycleGAN family's networks share: norm, padding and upsampling by name, and the initialization.

The annotated names are the types of the networks' options, against which a recipe's values are checked.
"""

from __future__ import annotations

from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

Norm = Literal["instance", "batch", "none"]
Padding = Literal["reflect", "replicate", "zero"]
Upsample = Literal["deconv", "resize", "pixelshuffle"]
Width = Annotated[int, Field(ge=1)]

_PADS: dict[str, type[nn.Module]] = {
    "reflect": nn.ReflectionPad2d,
    "replicate": nn.ReplicationPad2d,
    "zero": nn.ZeroPad2d,
}


class InstanceNorm(nn.Module):
    """Normalize each plane of each image (Ulyanov et al. 2016), without affine or running statistics.

    (B, C, H, W) → the same shape and memory format; eps is 1e-5. A flat plane becomes 0, also one of 1×1.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return (x − mean) / sqrt(variance + eps) of every plane (B, C, H, W)."""
        # One group a channel is instance norm, and unlike nn.InstanceNorm2d it keeps channels_last. The
        # functional wrapper would refuse one 1×1 image.
        return torch.group_norm(images, images.shape[1], None, None, 1e-5)


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """Return a norm for (B, channels, H, W).

    ``batch`` has an affine and running statistics, ``none`` does nothing.
    """
    if norm == "instance":
        return InstanceNorm()
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()


def make_padding(padding: Padding, size: int) -> nn.Module:
    """Return a layer that adds ``size`` pixels at each side; ``reflect`` needs maps larger than ``size``."""
    return _PADS[padding](size)


def padding_mode(padding: Padding) -> Literal["zeros", "reflect", "replicate"]:
    """Return what a convolution that pads by itself calls it."""
    return "zeros" if padding == "zero" else padding


def resampled(upsample: Upsample, inner: int, outer: int, padding: Padding, *, bias: bool) -> nn.Module:
    """Return a layer that doubles height and width without a transposed convolution, inner → outer channels.

    ``resize`` is nearest ×2 and a 3×3 convolution (Odena et al. 2016), ``pixelshuffle`` a 3×3 convolution to
    four times the channels, rearranged (Shi et al. 2016).
    """
    if upsample == "resize":
        conv = nn.Conv2d(inner, outer, 3, bias=bias)
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), make_padding(padding, 1), conv)
    conv = nn.Conv2d(inner, 4 * outer, 3, bias=bias)
    return nn.Sequential(make_padding(padding, 1), conv, nn.PixelShuffle(2))


def init_weights(network: nn.Module) -> None:
    """Draw weights as CycleGAN does (Zhu et al. 2017, appendix): N(0, 0.02) for convolutions, bias 0.

    A norm's scale, where there is one, is drawn from N(1, 0.02). Draws from torch's global generator.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
        else:
            continue
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def pad_to_stride(images: Tensor, stride: int, least: int = 1) -> Tensor:
    """Pad (B, C, H, W) below and at the right: H and W become multiples of the stride, ``least`` or more.

    The image is reflected where it is large enough for that, else its border is repeated. Crop with
    ``crop_to(result, images)``. An image that fits is returned as it is.
    """
    for side in (-1, -2):
        size = images.shape[side]
        if not isinstance(size, int):  # traced for any size
            images = images.index_select(side, _padded_places(size, stride, least, images.device))
            continue
        extra = -(-max(size, least) // stride) * stride - size
        if extra:
            pads = (0, extra, 0, 0) if side == -1 else (0, 0, 0, extra)
            images = F.pad(images, pads, mode="reflect" if extra < size else "replicate")
    return images


def crop_to(images: Tensor, like: Tensor) -> Tensor:
    """Return the top left part of ``images`` (B, C, H', W') that is as high and wide as ``like``."""
    height, width = like.shape[-2:]
    if isinstance(height, int) and isinstance(width, int):
        return images[..., :height, :width]
    for side, size in ((-2, height), (-1, width)):  # traced for any size, where a slice would ask which size is larger
        images = images.index_select(side, torch.arange(size, device=images.device))
    return images


def _padded_places(size: int, stride: int, least: int, device: torch.device) -> Tensor:
    """Return which place of a side is seen at each place of the padded side, for a size that a trace leaves open.

    All that follows is traced for a multiple of the stride whatever the size, and asks nothing of it.
    """
    strides = ((torch.scalar_tensor(size, dtype=torch.int64).clamp(min=least) + stride - 1) // stride).item()
    torch._check(strides >= -(-least // stride))
    places = torch.arange(strides * stride, device=device)
    mirrored = 2 * (size - 1) - places
    beyond = torch.where(mirrored[-1:] >= 0, mirrored, size - 1)
    return torch.where(places < size, places, beyond)
