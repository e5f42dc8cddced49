"""The objective of neural style transfer: content and style losses on VGG features, minimized by L-BFGS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from types import MappingProxyType

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo_losses.vgg import VGG

HISTORY = 20
"""Number of past steps that L-BFGS uses."""
MIN_SHARE, MIN_MEAN = 0.01, 1e-12
"""Least mean activation of a map, as a share of its layer's mean and as an absolute value."""


def gram(maps: Tensor) -> Tensor:
    """Return the Gram matrices (B, N, N) of maps (B, N, H, W), divided by N·M with M = H·W.

    So they do not grow with the image. The paper divides the squared difference of undivided matrices by 4N²M² (Gatys
    et al. 2016, eq. 3 and 4), which for these matrices is a division by 4.
    """
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def content_loss(maps: Mapping[str, Tensor], target: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return Σ w/2 · Σ (F − P)² over layers and all their values (eq. 1), a scalar.

    Args:
        maps: layer → F, the maps of the result.
        target: layer → P, the maps of the image with the content.
        weights: layer → w.
    """
    terms = [weight / 2 * (maps[layer] - target[layer]).square().sum() for layer, weight in weights.items()]
    return torch.stack(terms).sum()


def style_loss(maps: Mapping[str, Tensor], target: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return Σ w · E over layers (eq. 4 and 5), a scalar.

    Args:
        maps: layer → the maps of the result (B, N, H, W).
        target: layer → the Gram matrices of the style (B, N, N).
        weights: layer → w.
    """
    terms = [weight / 4 * (gram(maps[layer]) - target[layer]).square().sum() for layer, weight in weights.items()]
    return torch.stack(terms).sum()


@torch.no_grad()
def mean_activations(network: VGG, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """Return layer → the mean of each of its N maps, after the ReLU, over images (B, C, H, W) and pixels: (N,).

    Means below a hundredth of their layer's mean are raised to it, and means below 1e-12 to 1e-12.
    """
    names = list(layers)
    sums: dict[str, Tensor] = {}
    for image in images:
        for layer, maps in network(image[None], names).items():
            sums[layer] = sums.get(layer, 0) + maps.relu().mean((0, 2, 3)) / len(images)
    return {layer: means.clamp(min=max(MIN_SHARE * float(means.mean()), MIN_MEAN)) for layer, means in sums.items()}


class Objective:
    """The objective α · content loss + β · style loss of an image (eq. 7).

    Args:
        network: the frozen VGG.
        alpha: α, the weight of the content loss; 0 leaves it out.
        beta: β, the weight of the style loss; 0 leaves it out.
        content: content layer → w.
        style: style layer → w.
        means: layer → divisors of its maps, (N,); the maps of other layers are not divided.
    """

    def __init__(
        self,
        network: VGG,
        alpha: float,
        beta: float,
        content: Mapping[str, float],
        style: Mapping[str, float],
        means: Mapping[str, Tensor] = MappingProxyType({}),
    ) -> None:
        self.network = network
        self.alpha, self.beta = alpha, beta
        self.content, self.style = dict(content), dict(style)
        self.means = dict(means)

    def maps(self, image: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
        """Return layer → maps (B, N, H', W') of images (B, C, H, W), divided by ``means``."""
        features = self.network(image, layers)
        return {
            layer: maps / self.means[layer].to(maps)[:, None, None] if layer in self.means else maps
            for layer, maps in features.items()
        }

    @torch.no_grad()
    def content_of(self, image: Tensor) -> dict[str, Tensor]:
        """Return the content of an image (1, C, H, W): content layer → maps, without gradient."""
        return self.maps(image, self.content)

    @torch.no_grad()
    def style_of(self, image: Tensor) -> Tensor:
        """Return the style of an image (1, C, H, W), (1, numbers): all style layers' Gram matrices as one vector."""
        maps = self.maps(image, self.style)
        return torch.cat([gram(maps[layer]).flatten(1) for layer in self.style], 1)

    @property
    def style_size(self) -> int:
        """The length of a style vector."""
        return sum(self.network.width(layer) ** 2 for layer in self.style)

    def grams(self, style: Tensor) -> dict[str, Tensor]:
        """Return the Gram matrices of a style vector (1, numbers): layer → (1, N, N)."""
        widths = [self.network.width(layer) for layer in self.style]
        pieces = style.split([width**2 for width in widths], 1)
        return {
            layer: piece.reshape(1, width, width)
            for layer, piece, width in zip(self.style, pieces, widths, strict=True)
        }

    def __call__(self, image: Tensor, content: Mapping[str, Tensor], grams: Mapping[str, Tensor]) -> Tensor:
        """Return the objective, a scalar, of an image (1, C, H, W).

        Args:
            image: the image.
            content: the wanted content: layer → maps.
            grams: the wanted style: layer → Gram matrices.
        """
        maps = self.maps(image, [*(self.content if self.alpha else ()), *(self.style if self.beta else ())])
        terms = []
        if self.alpha:
            terms.append(self.alpha * content_loss(maps, content, self.content))
        if self.beta:
            terms.append(self.beta * style_loss(maps, grams, self.style))
        return torch.stack(terms).sum()

    def minimize(self, start: Tensor, image: Tensor, style: Tensor, steps: int) -> Tensor:
        """Return an image (1, C, H, W) in [−1, 1] that has the content of one image and a style.

        L-BFGS uses a line search, so that the objective does not rise; the result is clamped at the end. Where only
        rounding is left, its steps may become infinite, so the best image of all is returned.

        Args:
            start: the image with which the optimization starts, (1, C, H, W).
            image: the image with the content, (1, C, H, W).
            style: the style, as ``style_of`` returns it, (1, numbers).
            steps: maximum number of L-BFGS steps; it stops earlier when the image no longer changes.

        Raises GanzooError if the result is not finite.
        """
        precision = self.network.mean.dtype
        content, grams = self.content_of(image), self.grams(style.to(start.device, precision))
        # L-BFGS needs contiguous memory, which an image of a batch may not have.
        result = start.detach().to(precision).clone(memory_format=torch.contiguous_format).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [result],
            max_iter=steps,
            max_eval=25 * steps,
            tolerance_grad=0.0,
            tolerance_change=1e-12,  # where only rounding is left
            history_size=HISTORY,
            line_search_fn="strong_wolfe",
        )

        best, least = result.detach().clone(), float("inf")

        def evaluate() -> Tensor:
            nonlocal least
            optimizer.zero_grad()
            value = self(result, content, grams)
            value.backward()
            if (objective := value.item()) < least:  # false for NaN
                least = objective
                best.copy_(result.detach())
            return value

        optimizer.step(evaluate)  # evaluation runs without gradients; the optimizer enables them
        if not isfinite(least):
            raise GanzooError("gatys: the objective is not finite: lower the weights 'content' and 'style'")
        return best.clamp(-1, 1)
