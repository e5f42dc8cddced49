"""Where StarGAN v2's styles come from: the mapping network, from noise, and the style encoder, from an image."""

from __future__ import annotations

from torch import Tensor, nn

from ganzoo_stargan.discriminator import require_size
from ganzoo_stargan.layers import SLOPE, halving_blocks, init_kaiming


class MappingNetwork(nn.Module):
    """Computes styles of a domain from random latents (Choi et al. 2020, section 2.1).

    Four layers are shared by all domains; each domain has four of its own, the last of which has no ReLU.

    Args:
        latent: length of a latent vector.
        hidden: number of units of the hidden layers.
        style: length of a style vector.
        domains: the domains' letters.
    """

    def __init__(self, latent: int, hidden: int, style: int, domains: str = "AB") -> None:
        super().__init__()
        self.latent = latent
        self.shared = nn.Sequential(
            *_layers(latent, hidden), *(one for _ in range(3) for one in _layers(hidden, hidden))
        )
        self.branches = nn.ModuleDict(
            {
                domain: nn.Sequential(
                    *(one for _ in range(3) for one in _layers(hidden, hidden)), nn.Linear(hidden, style)
                )
                for domain in domains
            }
        )
        init_kaiming(self)

    def forward(self, latents: Tensor, domain: str) -> Tensor:
        """Return a domain's styles (B, style) for latents (B, latent) from N(0, I)."""
        styles: Tensor = self.branches[domain](self.shared(latents))
        return styles


def _layers(before: int, after: int) -> list[nn.Module]:
    return [nn.Linear(before, after), nn.ReLU()]


class StyleEncoder(nn.Module):
    """Computes the style of an image of a domain (Choi et al. 2020, section 2.1).

    The network is that of the discriminator up to its 4×4 convolution, whose maps are averaged; each domain has a
    linear layer of its own.

    Args:
        in_channels: number of channels of the images.
        width: number of channels at full size; it doubles at each halving, up to ``max_width``.
        max_width: the largest number of channels.
        downs: number of times that height and width are halved.
        style: length of a style vector.
        domains: the domains' letters.
    """

    def __init__(
        self, in_channels: int, width: int, max_width: int, downs: int, style: int, domains: str = "AB"
    ) -> None:
        super().__init__()
        self.min_size = 4 * 2**downs
        blocks, inner = halving_blocks(in_channels, width, max_width, downs)
        self.shared = nn.Sequential(
            *blocks, nn.LeakyReLU(SLOPE), nn.Conv2d(inner, inner, 4), nn.AdaptiveAvgPool2d(1), nn.LeakyReLU(SLOPE)
        )
        self.branches = nn.ModuleDict({domain: nn.Linear(inner, style) for domain in domains})
        init_kaiming(self)

    def forward(self, images: Tensor, domain: str) -> Tensor:
        """Return the styles (B, style) of a domain's images (B, C, H, W).

        Raises GanzooError for images with a side below 4 · 2**downs pixels.
        """
        require_size("the style encoder of starganv2", images, self.min_size)
        styles: Tensor = self.branches[domain](self.shared(images).flatten(1))
        return styles
