"""UNIT's autoencoder of one domain, as released: MUNIT's content encoder and a decoder without styles."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import Width, crop_to, pad_to_stride
from ganzoo_munit.layers import Residual, decoder_end, encoder_start, init_kaiming


class UNITGenerator(nn.Module):
    """Encode images of a domain to codes that both domains share, and decode such (Liu et al. 2017, as released).

    A 7×7 convolution, ``downs`` 4×4 ones of stride 2 and residual blocks, all with instance norm; residual blocks with
    instance norm, ``downs`` times nearest ×2 and a 5×5 convolution with layer norm, a 7×7 one and tanh. With its
    defaults and three channels it has 11,140,483 parameters.

    Args:
        in_channels: of the domain's images.
        out_channels: likewise; a domain is decoded to itself.
        width: channels at full size.
        downs: convolutions of stride 2.
        blocks: residual blocks, in the encoder and in the decoder.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        width: Width = 64,
        downs: Annotated[int, Field(ge=1, le=4)] = 2,
        blocks: Annotated[int, Field(ge=0)] = 4,
    ) -> None:
        super().__init__()
        self.stride = 2**downs
        self.blocks = blocks
        self.inner = inner = width * 2**downs
        self.encoder = nn.Sequential(
            *encoder_start(in_channels, width, downs), *(Residual(inner, "instance") for _ in range(blocks))
        )
        self.decoder = nn.Sequential(
            *(Residual(inner, "instance") for _ in range(blocks)), *decoder_end(out_channels, width, downs)
        )
        init_kaiming(self)

    def encode(self, images: Tensor) -> Tensor:
        """Return codes (B, 4·width, H/4, W/4) of images (B, C, H, W) in [−1, 1], padded to the stride."""
        codes: Tensor = self.encoder(pad_to_stride(images, self.stride, least=4 * self.stride))
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [−1, 1] of codes."""
        images: Tensor = self.decoder(codes)
        return images

    def share(self, other: UNITGenerator, blocks: int) -> None:
        """Take over another's last residual blocks of the encoder and first ones of the decoder, so many each.

        They are then one for both: what one is trained, the other is. Raises GanzooError where they do not fit.
        """
        if blocks > min(self.blocks, other.blocks) or self.inner != other.inner:
            raise GanzooError(
                f"method.share is {blocks}, and the generators have {other.blocks} and {self.blocks} residual blocks, "
                f"of {other.inner} and {self.inner} channels: those that they share have to be there, and alike"
            )
        for i in range(blocks):
            self.encoder[-1 - i], self.decoder[i] = other.encoder[-1 - i], other.decoder[i]

    def forward(self, images: Tensor) -> Tensor:
        """Return images decoded from their codes, of the same size."""
        return crop_to(self.decode(self.encode(images)), images)
