"""The generator ``unit``: an autoencoder of one domain, with MUNIT's content encoder and a decoder without styles."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import Padding, Width, crop_to, pad_to_stride
from ganzoo_munit.autoencoder import Slope
from ganzoo_munit.layers import Residual, decoder_end, encoder_start, init_kaiming


class UNITGenerator(nn.Module):
    """An autoencoder of one domain, with codes that both domains can share (Liu et al. 2017, as released).

    Encoder: a 7×7 convolution, ``downs`` 4×4 convolutions of stride 2, residual blocks, all with instance norm.
    Decoder: residual blocks with instance norm, ``downs`` × (nearest ×2, 5×5 convolution, layer norm), a 7×7
    convolution, tanh. With the defaults and three channels it has 11,140,483 parameters.

    Args:
        in_channels: number of channels of the domain's images.
        out_channels: number of channels of the decoded images: the same, as a domain is decoded to itself.
        width: number of channels at full size; it doubles at each convolution of stride 2.
        downs: number of convolutions of stride 2.
        blocks: number of residual blocks, in the encoder and in the decoder.
        padding: at the borders of every map: ``reflect``, as published, ``replicate`` or ``zero``.
        slope: slope of the ReLU below 0; 0, as published; 0.2 is the released code's leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        downs: Annotated[int, Field(ge=1, le=4)] = 2,
        blocks: Annotated[int, Field(ge=0)] = 4,
        padding: Padding = "reflect",
        slope: Slope = 0.0,
    ) -> None:
        super().__init__()
        self.stride = 2**downs
        self.blocks = blocks
        self.inner = inner = width * 2**downs
        self.encoder = nn.Sequential(
            *encoder_start(in_channels, width, downs, padding, slope),
            *(Residual(inner, "instance", padding, slope) for _ in range(blocks)),
        )
        self.decoder = nn.Sequential(
            *(Residual(inner, "instance", padding, slope) for _ in range(blocks)),
            *decoder_end(out_channels, width, downs, padding=padding, slope=slope),
        )
        init_kaiming(self)

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes (B, width · s, H/s, W/s) of images (B, C, H, W) in [−1, 1], with s = 2**downs.

        H and W are first padded to multiples of s, at least 4s; ``decode`` then returns images of the padded size.
        """
        codes: Tensor = self.encoder(pad_to_stride(images, self.stride, min_size=4 * self.stride))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [−1, 1] for codes, as ``encode`` returns them."""
        images: Tensor = self.decoder(codes)
        return images

    def share(self, other: UNITGenerator, blocks: int) -> None:
        """Replace some residual blocks by those of another autoencoder, so that both train the same blocks.

        Args:
            other: the autoencoder with the blocks.
            blocks: number of blocks: the last ones of the encoder, and as many first ones of the decoder.

        Raises GanzooError if one of the two has fewer blocks, or if the blocks' channels differ.
        """
        if blocks > min(self.blocks, other.blocks) or self.inner != other.inner:
            raise GanzooError(
                f"method.share is {blocks}, but the generators have {other.blocks} and {self.blocks} residual blocks, "
                f"of {other.inner} and {self.inner} channels: shared blocks must exist in both and have equal channels"
            )
        for i in range(blocks):
            self.encoder[-1 - i], self.decoder[i] = other.encoder[-1 - i], other.decoder[i]

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions of images (B, C, H, W), of the same size."""
        return crop_to(self.decode(self.encode(images)), images)
