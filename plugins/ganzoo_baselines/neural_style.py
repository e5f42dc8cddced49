"""The objective of neural style transfer: content and style losses on VGG features, minimized by L-BFGS."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo_losses.vgg import VGG

HISTORY = 20
"""Number of past steps that L-BFGS uses."""
MIN_SHARE, MIN_MEAN = 0.01, 1e-12
"""Least mean activation of a map: a share of its layer's mean, and an absolute value."""


def gram(maps: Tensor) -> Tensor:
    """Return Gram matrices (B, N, N) of maps (B, N, H, W), divided by N·M with M = H·W, so that sizes compare.

    The paper divides the squared difference by 4N²M² (Gatys et al. 2016, eq. 3 and 4): for these matrices, by 4.
    """
    flat = maps.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def content_loss(maps: Mapping[str, Tensor], target: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return Σ w/2 · Σ (F − P)² over layers and all their values (eq. 1): layer → maps, twice, and layer → w."""
    terms = [weight / 2 * (maps[layer] - target[layer]).square().sum() for layer, weight in weights.items()]
    return torch.stack(terms).sum()


def style_loss(maps: Mapping[str, Tensor], target: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """Return Σ w · E over layers (eq. 4 and 5): layer → maps, layer → Gram matrices, and layer → w."""
    terms = [weight / 4 * (gram(maps[layer]) - target[layer]).square().sum() for layer, weight in weights.items()]
    return torch.stack(terms).sum()


@torch.no_grad()
def mean_activations(network: VGG, images: Tensor, layers: Iterable[str]) -> dict[str, Tensor]:
    """Return layer → the mean of each of its maps over images (B, C, H, W) and pixels, after the ReLU, (N,).

    A map's mean is at least a hundredth of its layer's mean.
    """
    names = list(layers)
    sums: dict[str, Tensor] = {}
    for image in images:
        for layer, maps in network(image[None], names).items():
            sums[layer] = sums.get(layer, 0) + maps.relu().mean((0, 2, 3)) / len(images)
    return {layer: means.clamp(min=max(MIN_SHARE * float(means.mean()), MIN_MEAN)) for layer, means in sums.items()}


class Objective:
    """α · content + β · style of an image (eq. 7).

    Args:
        network: the frozen VGG.
        alpha: α.
        beta: β.
        content: layer → w.
        style: layer → w.
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
        """Return layer → maps (B, N, H', W') of images (B, C, H, W)."""
        features = self.network(image, layers)
        return {
            layer: maps / self.means[layer].to(maps)[:, None, None] if layer in self.means else maps
            for layer, maps in features.items()
        }

    @torch.no_grad()
    def content_of(self, image: Tensor) -> dict[str, Tensor]:
        """Return the content of an image (1, C, H, W): layer → maps."""
        return self.maps(image, self.content)

    @torch.no_grad()
    def style_of(self, image: Tensor) -> Tensor:
        """Return the style of an image (1, C, H, W): the Gram matrices of all layers as one vector, (1, numbers)."""
        maps = self.maps(image, self.style)
        return torch.cat([gram(maps[layer]).flatten(1) for layer in self.style], 1)

    @property
    def style_size(self) -> int:
        """Length of a style vector."""
        return sum(self.network.width(layer) ** 2 for layer in self.style)

    def grams(self, style: Tensor) -> dict[str, Tensor]:
        """Return the Gram matrices of a style (1, numbers): layer → (1, N, N)."""
        widths = [self.network.width(layer) for layer in self.style]
        pieces = style.split([width**2 for width in widths], 1)
        return {
            layer: piece.reshape(1, width, width)
            for layer, piece, width in zip(self.style, pieces, widths, strict=True)
        }

    def __call__(self, image: Tensor, content: Mapping[str, Tensor], grams: Mapping[str, Tensor]) -> Tensor:
        """Return the objective of an image (1, C, H, W), a scalar."""
        maps = self.maps(image, [*(self.content if self.alpha else ()), *(self.style if self.beta else ())])
        terms = []
        if self.alpha:
            terms.append(self.alpha * content_loss(maps, content, self.content))
        if self.beta:
            terms.append(self.beta * style_loss(maps, grams, self.style))
        return torch.stack(terms).sum()

    def minimize(self, start: Tensor, image: Tensor, style: Tensor, steps: int) -> Tensor:
        """Return an image (1, C, H, W) in [−1, 1] with the content of an image and a style.

        L-BFGS uses a line search, so that the objective never rises; the result is clamped at the end.

        Args:
            start: the image to start from, (1, C, H, W).
            image: the image with the content, (1, C, H, W).
            style: the style, as ``style_of`` returns it, (1, numbers).
            steps: number of L-BFGS steps.

        Raises GanzooError when the objective is not finite.
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

        def evaluate() -> Tensor:
            optimizer.zero_grad()
            value = self(result, content, grams)
            value.backward()
            return value

        optimizer.step(evaluate)  # evaluation runs without gradients; the optimizer enables them
        if not torch.isfinite(result).all():
            raise GanzooError("gatys: the objective is not finite: lower the weights 'content' and 'style'")
        return result.detach().clamp(-1, 1)
