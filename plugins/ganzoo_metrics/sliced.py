"""Sliced Wasserstein distance between patches of translated and real images (Karras et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Draws, Method, Metric, Reader, Step, keyed
from ganzoo_metrics.directions import image_directions
from ganzoo_metrics.laplacian import SMALLEST, patches, pyramid
from ganzoo_metrics.resizing import rounded

Count = Annotated[int, Field(ge=1)]
FLAT = 1e-4
"""Lower bound of the deviation, far below one of 255 grey levels, so that rounding errors are not amplified."""
AT_ONCE = 128
"""Number of projections computed at once, to limit memory."""


class SWD(Metric):
    """Sliced Wasserstein distance between translations and real images of the target, ×10³; lower is better.

    Karras et al. 2018 (progressive growing, section 5): draw 7×7 patches from each level of an image's Laplacian
    pyramid, down to 16 pixels; normalize each channel of a set's patches to mean 0 and deviation 1; project both sets
    on random directions, and take the mean Wasserstein distance of the projections. ``swd_256`` compares the finest
    details of images of 256 pixels, ``swd_16`` large shapes; ``swd`` is the mean over levels.

    It needs no network, and at least two images of each set. Sets may differ in size, but small sets give larger
    values: compare values of equal numbers of images. Translations are quantized to 256 levels, as in image files.

    By default, patches take 74 KiB of memory for each level of a colour image: those of translations during the
    measurement, those of real images from the first measurement to the end of the run.

    Args:
        patches: the number of patches of each level of an image.
        projections: the number of random directions.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(
        self, *, patches: Count = 128, projections: Count = 512, real: Literal["measured", "train"] = "measured"
    ) -> None:
        self.patches = patches
        self.projections = projections
        self.reference = real

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions into images.

        Raises GanzooError if there are none, or if the measured images are smaller than 16 pixels.
        """
        self.directions = image_directions("swd", method, reader)
        if reader.images.fit != "none":  # else each image is checked when it is read
            _require_large(min(reader.images.shape))

    def prepare(self, seed: int) -> None:
        """Store the seed of the patches' positions and of the random directions."""
        self.seed = seed

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return random patches of each translation, (B, patches, C, 7, 7) for each level.

        The keys are the levels' shorter sides in pixels. Raises GanzooError for images that are smaller than 16 pixels
        or not finite.
        """
        return self.draw_patches(rounded(step[f"fake_{direction[1]}"]) / 127.5 - 1, step, f"fake/{direction}")

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return random patches of each real image of a domain, in the form of ``rows``."""
        return self.draw_patches(step[f"real_{domain}"], step, f"real/{domain}")

    def draw_patches(self, images: Tensor, step: Step, purpose: str) -> dict[str, Tensor]:
        """Return random patches of images, in the form of ``rows``.

        The positions depend on the seed, the sample, ``purpose`` and the level. Raises GanzooError for images smaller
        than 16 pixels.
        """
        _require_large(min(images.shape[-2:]))
        drawn = {}
        with torch.autocast(images.device.type, enabled=False):
            for level in pyramid(images):
                side = str(min(level.shape[-2:]))
                keys = (keyed(self.seed, sample, f"swd/{purpose}/{side}") for sample in step.samples)
                drawn[side] = patches(level, Draws([*keys]), self.patches)
        return drawn

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance of each level, ``swd_{side}``, and their mean, ``swd``.

        Raises GanzooError if a set has fewer than two images, or if images differ in size.
        """
        if rows.keys() != real.keys() or any(len({len(one) for one in some.values()}) > 1 for some in (rows, real)):
            fake, true = (max(map(int, some), default=0) for some in (rows, real))
            sizes = f"the translations have shorter sides of up to {fake} pixels, the real images of up to {true}"
            differ = "the images of a set differ in size" if fake == true else sizes
            raise GanzooError(
                f"swd: {differ}, so their levels cannot be compared: scale all to one size (ganzoo translate "
                "--scale-back gives translations the size of their sources)"
            )
        values = {}
        for side, fakes in rows.items():
            fewest = min(len(fakes), len(real[side]))
            if fewest < 2:
                raise GanzooError(f"swd: each set needs at least two images, and one has {fewest}: measure more images")
            directions = keyed(self.seed, f"swd/directions/{side}").standard_normal(
                (self.projections, fakes[0, 0].numel()), dtype=np.float32
            )
            values[f"swd_{side}"] = 1000 * sliced(
                descriptors(fakes), descriptors(real[side]), torch.from_numpy(directions)
            )
        return {"swd": sum(values.values()) / len(values), **values}


def descriptors(drawn: Tensor) -> Tensor:
    """Return patches (N, patches, C, 7, 7) as vectors, (N·patches, C·49), each channel with mean 0 and deviation 1."""
    flat = drawn.flatten(0, 1)
    deviation, mean = torch.std_mean(flat, (0, 2, 3), correction=0, keepdim=True)
    return ((flat - mean) / deviation.clamp(min=FLAT)).flatten(1)


def sliced(one: Tensor, other: Tensor, directions: Tensor) -> float:
    """Return the mean distance of two sets of vectors, (N, D) and (M, D), projected on directions (K, D).

    >>> sliced(torch.tensor([[0.0], [1.0]]), torch.tensor([[2.0], [0.0], [1.0], [3.0]]), torch.tensor([[-5.0]]))
    1.0
    """
    unit = directions / directions.norm(dim=1, keepdim=True)
    parts = [wasserstein(some @ one.T, some @ other.T) for some in unit.split(AT_ONCE)]
    return float(torch.cat(parts).mean())


def wasserstein(one: Tensor, other: Tensor) -> Tensor:
    """Return the Wasserstein-1 distances of two sets of numbers on each of K lines, (K, N) and (K, M): (K,) float64.

    It is the area between the two quantile functions, which step at the multiples of 1/N and of 1/M.
    """
    n, m = one.shape[1], other.shape[1]
    steps = torch.cat([torch.arange(n) * m, torch.arange(m) * n, torch.tensor([n * m])]).unique()
    at, width = steps[:-1], steps.diff().double() / (n * m)
    gaps = _sorted(one)[:, at // m] - _sorted(other)[:, at // n]
    return gaps.abs().double() @ width


def _sorted(lines: Tensor) -> Tensor:
    return torch.from_numpy(np.sort(lines.numpy(), axis=1))  # many times faster than torch.sort


def _require_large(side: int) -> None:
    if side < SMALLEST:
        raise GanzooError(
            f"evaluate.metrics: swd: images of {side} pixels a side are smaller than its lowest level, {SMALLEST}: "
            "increase images.size, or remove the metric"
        )
