"""Find the directions in the space of styles along which translations of an image change most, for the sliders.

Styles are drawn at random and the same small image is translated with each. The principal components of these
translations (as GANSpace, Härkönen et al. 2020, takes those of features) are regressed on the styles by least squares:
each slider moves a style along the direction that changes the image most in one component. This needs no images of the
target domain and nothing of a method but its public functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.interfaces import Direction
from ganzoo.randomness import Draws, keyed

DRAWS = 48
"""The number of random styles."""
SIDE = 64
"""The longest side of the translations that are compared, in pixels; the network computes them in full."""


@dataclass(frozen=True)
class StyleAxes:
    """Directions in the space of styles.

    Args:
        mean: the style at the middle of all sliders, (size,).
        axes: the directions, (number, size); each has the length of one standard deviation of the styles.
    """

    mean: Tensor
    axes: Tensor

    def style(self, positions: Sequence[float]) -> Tensor:
        """Return the style at these positions of the sliders, in standard deviations: (size,)."""
        return self.mean + torch.tensor(positions, dtype=self.axes.dtype) @ self.axes[: len(positions)]

    def text(self, positions: Sequence[float]) -> str:
        """Return that style as ``--style`` takes it; its numbers are exact in float32."""
        return ",".join(repr(float(f"{number:.9g}")) for number in self.style(positions).tolist())


def principal_axes(
    translator: Translator, image: Tensor, direction: Direction, number: int = 4, draws: int = DRAWS
) -> StyleAxes:
    """Return the ``number`` directions along which translations of an image change most.

    Args:
        translator: the loaded run.
        image: the image at the scale of its translation, (1, C, H, W) in [−1, 1].
        direction: the direction; its target domain has styles.
        number: at most so many directions; a style has not more than its size.
        draws: the number of random styles that are tried.
    """
    method, target = translator.method, direction[1]
    seed = translator.recipe.train.seed
    styles, flat = [], []
    with torch.no_grad(), translator.translating():
        for i in range(draws):
            style = method.draw_style(target, Draws([keyed(seed, i, "axes")]))
            step = translator.translate_step(image, direction, style=style, seed=seed, tile="auto")
            scale = min(1.0, SIDE / max(step[TRANSLATED].shape[-2:]))
            small = step[TRANSLATED].cpu()
            if scale < 1:
                small = F.interpolate(small, scale_factor=scale, mode="area")
            styles.append(style.cpu().double()[0])
            flat.append(small.double().flatten())
    return axes_of(torch.stack(styles), torch.stack(flat), number)


def axes_of(styles: Tensor, images: Tensor, number: int) -> StyleAxes:
    """Return the directions for styles (N, size) and their flattened translations (N, P), in double precision.

    With the centred images X = U S Vᵀ, the coordinates on the principal components are U S; the direction of component
    k is the least-squares slope of the coordinates k on the styles, scaled to the styles' standard deviation along it.
    Directions are made orthogonal in their order, so that one slider does not repeat another.
    """
    mean = styles.mean(0)
    centred = styles - mean
    left, sizes, _ = torch.linalg.svd(images - images.mean(0), full_matrices=False)
    slopes = torch.linalg.lstsq(centred, left * sizes, driver="gelsd").solution.T
    axes: list[Tensor] = []
    for slope in slopes:
        for one in axes:
            slope = slope - (slope @ one) / (one @ one) * one
        if len(axes) == min(number, styles.shape[1]):
            break
        if (length := slope.norm()) > 1e-9 * slopes.norm():
            unit = slope / length
            axes.append(unit * (centred @ unit).std())
    return StyleAxes(mean.float(), torch.stack(axes).float() if axes else torch.zeros(0, styles.shape[1]))
