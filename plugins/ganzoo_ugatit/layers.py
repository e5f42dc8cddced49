"""Layers of U-GAT-IT's networks: class activation maps, and instance and layer norm mixed by learned shares."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from ganzoo.interfaces import join_channels


class ClassActivation(nn.Module):
    """Attention by class activation maps (Kim et al. 2020, section 2.1; Zhou et al. 2016).

    Two auxiliary classifiers without bias tell the domains apart: one by the mean of each channel, one by its maximum.
    The weight of a channel in a classifier says how much the channel matters: the channels times either weight are
    joined by a 1×1 convolution.

    Args:
        channels: number of channels of the maps.
        normalize: whether spectral norm divides the classifiers' weights for their logits. The channels are multiplied
            by the weights before that division, as in the released code.
    """

    def __init__(self, channels: int, *, normalize: bool = False) -> None:
        super().__init__()
        self.of_mean, self.of_maximum = (nn.Linear(channels, 1, bias=False) for _ in range(2))
        self.join = nn.Conv2d(2 * channels, channels, 1)
        if normalize:
            spectral_norm(self.of_mean)
            spectral_norm(self.of_maximum)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return the joined maps (B, C, H, W), and both classifiers' logits (B, 2), in the weights' dtype.

        Args:
            maps: maps (B, C, H, W).
        """
        classifiers, pooled = (self.of_mean, self.of_maximum), (maps.mean((2, 3)), maps.amax((2, 3)))
        with torch.autocast(maps.device.type, enabled=False):
            pairs = zip(classifiers, pooled, strict=True)
            logits = [classifier(values.to(self.join.weight.dtype)) for classifier, values in pairs]
        # A parameter is the weight before spectral norm.
        weights = [weight for classifier in classifiers for weight in classifier.parameters()]
        weighted = [maps * weight[..., None, None].to(maps.dtype) for weight in weights]
        return self.join(join_channels(weighted)), torch.cat(logits, 1)


class MixedNorm(nn.Module):
    """Instance norm and layer norm, mixed for each channel: ρ · instance norm + (1 − ρ) · layer norm.

    Both divide by sqrt(variance + 1e-5) with the unbiased variance, as in the released code. After each optimizer step
    ρ is clamped to [0, 1].

    Args:
        channels: number of channels of the maps.
        share: ρ at the start.
    """

    def __init__(self, channels: int, share: float) -> None:
        super().__init__()
        self.rho = nn.Parameter(torch.full((1, channels, 1, 1), share))

    def constrain(self) -> None:
        """Clamp ρ to [0, 1], in place."""
        self.rho.clamp_(0, 1)

    def mix(self, maps: Tensor) -> Tensor:
        """Return the mixed norms (B, C, H, W) of maps, in float32 or more precise."""
        precise = maps.to(torch.promote_types(maps.dtype, torch.float32))
        return self.rho * _standardize(precise, (2, 3)) + (1 - self.rho) * _standardize(precise, (1, 2, 3))


def _standardize(maps: Tensor, dims: tuple[int, ...]) -> Tensor:
    variance, mean = torch.var_mean(maps, dims, keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt()


class AdaLIN(MixedNorm):
    """Adaptive layer-instance normalization (Kim et al. 2020, eq. 1): γ · mixed norms + β, by the image's γ and β."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 0.9)

    def forward(self, maps: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
        """Return normalized maps (B, C, H, W) for maps of this shape, scale γ (B, C) and shift β (B, C)."""
        return (self.mix(maps) * scale[..., None, None] + shift[..., None, None]).to(maps.dtype)


class LIN(MixedNorm):
    """Layer-instance normalization: AdaLIN with a learned γ and β, the same for all images, and ρ = 0 at the start."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, 0.0)
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, maps: Tensor) -> Tensor:
        """Return normalized maps of the same shape (B, C, H, W)."""
        return (self.mix(maps) * self.scale + self.shift).to(maps.dtype)
