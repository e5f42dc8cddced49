"""The discriminator ``ugatit``: a global and a local one, with class activation maps (Kim et al. 2020, appendix)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo import GanzooError
from ganzoo_cyclegan.layers import LogitConv2d, Pad, Width
from ganzoo_ugatit.layers import ClassActivation

Layers = Annotated[tuple[Annotated[int, Field(ge=1, le=8)], ...], Field(min_length=1)]


class UGATITDiscriminator(nn.Module):
    """U-GAT-IT's discriminators of a domain: by default a global one, and a local one that sees smaller patches.

    Each consists of 4×4 convolutions with reflection, spectral norm and leaky ReLU, class activation maps, and a last
    convolution that computes the logits. The adversarial losses sum over the returned logits, those of the auxiliary
    classifiers included. With width 64, three channels and the default layers it has 56,420,736 parameters.

    Args:
        in_channels: number of channels of the images.
        width: number of channels of the first layer; it doubles at each layer.
        layers: number of convolutions of stride 2 of each discriminator. Three more convolutions follow, so the paper
            and its code, which do not count the 1×1 convolution, speak of 7 and 5 layers.
    """

    def __init__(self, in_channels: int, *, width: Width = 64, layers: Layers = (5, 3)) -> None:
        super().__init__()
        self.layers = layers
        # Before the last two convolutions, both with reflection padding, the maps need three pixels a side.
        self.min_size = 3 * 2 ** max(layers)
        self.parts = nn.ModuleList(CAMPatch(in_channels, width, count) for count in layers)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the logits of images (B, in_channels, H, W): for each discriminator (B, 1, h, w) and (B, 2).

        Raises GanzooError for images with a side below 3 · 2**layers pixels.
        """
        if min(images.shape[-2:]) < self.min_size:
            raise GanzooError(
                f"the discriminator ugatit with layers: {[*self.layers]} needs images of at least "
                f"{self.min_size}×{self.min_size} pixels, not {images.shape[-2]}×{images.shape[-1]}: use fewer layers, "
                "or larger images"
            )
        return [logits for part in self.parts for logits in part(images)]


class CAMPatch(nn.Module):
    """A PatchGAN discriminator with class activation maps before its last convolution.

    Args:
        in_channels: number of channels of the images.
        width: number of channels of the first layer.
        layers: number of convolutions of stride 2.
    """

    def __init__(self, in_channels: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [in_channels, *(width * 2**layer for layer in range(layers + 1))]
        stack: list[nn.Module] = []
        for layer in range(layers + 1):
            conv = nn.Conv2d(widths[layer], widths[layer + 1], 4, 2 if layer < layers else 1)
            stack += [Pad("reflect", 1), spectral_norm(conv), nn.LeakyReLU(0.2, inplace=True)]
        self.model = nn.Sequential(*stack)
        self.activation = ClassActivation(widths[-1], normalize=True)
        logits = spectral_norm(LogitConv2d(widths[-1], 1, 4, bias=False))
        self.head = nn.Sequential(nn.LeakyReLU(0.2, inplace=True), Pad("reflect", 1), logits)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of patches (B, 1, h, w), and of both auxiliary classifiers (B, 2)."""
        maps, of_classifiers = self.activation(self.model(images))
        return self.head(maps), of_classifiers
