"""Layers of the CycleGAN family's networks: norm, padding and upsampling by name, and weight initialization.

``Norm``, ``Padding``, ``Upsample`` and ``Width`` are types of the networks' options; recipes are checked against them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

Norm = Literal["instance", "batch", "none"]
Padding = Literal["reflect", "replicate", "zero"]
Upsample = Literal["deconv", "resize", "pixelshuffle"]
Width = Annotated[int, Field(ge=1)]


class InstanceNorm(nn.Module):
    """Instance norm (Ulyanov et al. 2016), without affine parameters or running statistics.

    It normalizes each channel of each image: (B, C, H, W) → the same shape; eps is 1e-5. A constant channel becomes 0,
    even if it has only one pixel.
    """

    def forward(self, images: Tensor) -> Tensor:
        """Return (x − mean) / sqrt(variance + eps), (B, C, H, W); mean and variance are those of an image's channel."""
        # Three of torch's norms compute this; each is the fastest in its place (docs/speed.md).
        if images.is_contiguous():
            scale, shift = _float32_pair(images, images.shape[2:])
            return F.layer_norm(images, images.shape[2:], scale, shift, eps=1e-5)
        if images.device.type == "cpu":
            return (
                torch.cat([_norm_image(image) for image in images.split(1)]) if len(images) > 1 else _norm_image(images)
            )
        # torch.nn.functional.group_norm would refuse one 1×1 image.
        return torch.group_norm(images, images.shape[1], None, None, 1e-5)


def _norm_image(image: Tensor) -> Tensor:
    """Return the instance norm of one image, (1, C, H, W): a batch norm of it alone, which is fast in channels_last."""
    scale, shift = _float32_pair(image, image.shape[1:2])
    return torch.batch_norm(image, scale, shift, None, None, True, 0.0, 1e-5, False)


def _float32_pair(maps: Tensor, shape: Sequence[int]) -> tuple[Tensor | None, Tensor | None]:
    """Return a scale of 1 and a shift of 0 in float32 for maps in half precision, else None.

    With them torch keeps means and variances in float32, too; without them it would round these to half precision.
    """
    if maps.dtype not in (torch.bfloat16, torch.float16):
        return None, None
    return torch.ones(shape, device=maps.device), torch.zeros(shape, device=maps.device)


def make_norm(norm: Norm, channels: int) -> nn.Module:
    """Return a norm layer for maps (B, channels, H, W).

    ``instance`` is ``InstanceNorm``; ``batch`` has affine parameters and running statistics; ``none`` changes nothing.
    """
    if norm == "instance":
        return InstanceNorm()
    return nn.BatchNorm2d(channels) if norm == "batch" else nn.Identity()


class Pad(nn.Module):
    """Adds pixels at each side of maps (B, C, H, W); ``reflect`` needs sides that are longer than their padding.

    Args:
        padding: ``reflect``, ``replicate`` or ``zero``.
        size: the number of pixels.
    """

    def __init__(self, padding: Padding, size: int) -> None:
        super().__init__()
        self.padding, self.size = padding, size

    def forward(self, maps: Tensor) -> Tensor:
        """Return the padded maps (B, C, H + 2·size, W + 2·size)."""
        return pad(maps, self.size, self.padding)


def pad(maps: Tensor, size: int, padding: Padding) -> Tensor:
    """Return what ``Pad`` returns, in the dtype of ``maps``: autocast would compute and return float32."""
    mode = "constant" if padding == "zero" else padding
    with torch.autocast(maps.device.type, enabled=False):
        return F.pad(maps, (size, size, size, size), mode)


class LogitConv2d(nn.Conv2d):
    """A discriminator's last convolution, which autocast leaves in the precision of its weights.

    In bf16, logits near 1 are multiples of 1/128, which hides small differences of images. This convolution takes only
    a small part of the time.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Return the logits (B, out_channels, h, w) of maps (B, in_channels, H, W), in the weights' dtype."""
        with torch.autocast(maps.device.type, enabled=False):
            return super().forward(maps.to(self.weight.dtype))


def padding_mode(padding: Padding) -> Literal["zeros", "reflect", "replicate"]:
    """Return PyTorch's name for a padding, which its convolutions take as ``padding_mode``."""
    return "zeros" if padding == "zero" else padding


def upsampling(upsample: Upsample, in_channels: int, out_channels: int, padding: Padding, *, bias: bool) -> nn.Module:
    """Return a layer that doubles the height and width of maps without a transposed convolution.

    ``resize`` is nearest ×2 and then a 3×3 convolution (Odena et al. 2016); ``pixelshuffle`` is a 3×3 convolution to
    four times the channels, which are then rearranged to pixels (Shi et al. 2016). Callers build the layer for
    ``deconv`` themselves.
    """
    if upsample == "resize":
        conv = nn.Conv2d(in_channels, out_channels, 3, bias=bias)
        return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), Pad(padding, 1), conv)
    conv = nn.Conv2d(in_channels, 4 * out_channels, 3, bias=bias)
    return nn.Sequential(Pad(padding, 1), conv, nn.PixelShuffle(2))


def init_weights(network: nn.Module) -> None:
    """Initialize a network's weights in place, as CycleGAN does (Zhu et al. 2017, appendix).

    Convolutions get weights from N(0, 0.02) and bias 0, batch norms a scale from N(1, 0.02) and bias 0; other layers do
    not change. Uses torch's global random generator.
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


def pad_to_stride(images: Tensor, stride: int, min_size: int = 1) -> Tensor:
    """Return images (B, C, H, W) with H and W padded to multiples of the stride, at least ``min_size``.

    The padding is at the bottom and right. A side is padded by reflection if it is longer than its padding; otherwise
    the border is repeated. Images that need no padding are returned unchanged. ``crop_to(result, images)`` removes the
    padding.
    """
    for side in (-1, -2):
        size = images.shape[side]
        if not isinstance(size, int):  # traced for any size
            images = images.index_select(side, _padded_positions(size, stride, min_size, images.device))
            continue
        extra = -(-max(size, min_size) // stride) * stride - size
        if extra:
            pads = (0, extra, 0, 0) if side == -1 else (0, 0, 0, extra)
            images = F.pad(images, pads, mode="reflect" if extra < size else "replicate")
    return images


def crop_to(images: Tensor, like: Tensor) -> Tensor:
    """Return the top left part of ``images`` (B, C, H', W') with the height and width of ``like``."""
    height, width = like.shape[-2:]
    if isinstance(height, int) and isinstance(width, int):
        return images[..., :height, :width]
    for side, size in ((-2, height), (-1, width)):  # traced for any size, where a slice would ask which size is larger
        images = images.index_select(side, torch.arange(size, device=images.device))
    return images


def decode_together(
    decode: Callable[..., Tensor], inputs: Sequence[tuple[Tensor, ...]], images: Sequence[Tensor]
) -> list[Tensor]:
    """Return what ``decode`` makes of each of several inputs, cropped to the size of its image (B, C, H, W).

    Inputs are computed in one call if all have one size, else one by one.

    Args:
        decode: a function of one or more batches, whose first one has the image's scene.
        inputs: its arguments, for each call.
        images: for each input the image whose size the result gets.
    """
    sizes = {(first.shape[1:], image.shape[-2:]) for (first, *_), image in zip(inputs, images, strict=True)}
    if len(sizes) > 1:
        return [crop_to(decode(*one), image) for one, image in zip(inputs, images, strict=True)]
    decoded = decode(*(torch.cat(parts) for parts in zip(*inputs, strict=True)))
    return list(crop_to(decoded, images[0]).chunk(len(inputs)))


def _padded_positions(size: int, stride: int, min_size: int, device: torch.device) -> Tensor:
    """Return which position of the image each position of a padded side copies; for traces that leave ``size`` open.

    After this padding the trace knows that the padded size is a multiple of the stride, and needs no other condition.
    """
    strides = ((torch.scalar_tensor(size, dtype=torch.int64).clamp(min=min_size) + stride - 1) // stride).item()
    torch._check(strides >= -(-min_size // stride))
    positions = torch.arange(strides * stride, device=device)
    mirrored = 2 * (size - 1) - positions
    beyond = torch.where(mirrored[-1:] >= 0, mirrored, size - 1)
    return torch.where(positions < size, positions, beyond)
