"""``pair_l1`` and ``psnr``: the error of a translation against the true image of the same scene."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.directions import image_directions


class TruePair:
    """A direction's translations, and the true images that they should have become.

    Args:
        metric: whose it is, for the errors.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def ways(self, method: Method, reader: Reader) -> tuple[Direction, ...]:
        """Return the directions of the method whose true images the data knows; label maps are none.

        Raises GanzooError when none is left.
        """
        return self.known(image_directions(self.metric, method, reader), reader)

    def known(self, ways: Sequence[Direction], reader: Reader) -> tuple[Direction, ...]:
        """Return those directions whose true images the data knows. Raises GanzooError when there is none."""
        found = tuple(way for way in ways if reader.dataset.sample("train", way[0], 0).target is not None)
        if not found:
            raise self.lacking(ways[0][0])
        return found

    def of(self, step: Step, direction: Direction) -> tuple[Tensor, Tensor]:
        """Return translations, cut to [−1, 1] as they are saved, and true images, (B, C, H, W) each, float32.

        Raises GanzooError when the images measured have no true pair.
        """
        source, target = direction
        if f"true_{target}" not in step:
            raise self.lacking(f"the images of {source} that are measured")
        return step[f"fake_{target}"].float().clamp(-1, 1), step[f"true_{target}"].float()

    def lacking(self, which: str) -> GanzooError:
        """Return what is said where the data knows no pairs."""
        return GanzooError(
            f"evaluate.metrics: {self.metric} compares a translation with the true image of the same scene, and the "
            f"data set has none for {which}: take the metric out, or data in pairs, data: {{dataset: paired, …}}"
        )


class PairL1(Metric):
    """Mean |fake_Y − true_Y| of an image, on the scale [−1, 1], then the mean over images; 0 is best, 2 the most.

    true_Y is the true pair of the direction's source image. Needs data that knows it (``paired``,
    ``striped_digits``).
    """

    def __init__(self) -> None:
        self.pair = TruePair("pair_l1")

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the directions that can be measured. Raises GanzooError when none can."""
        self.directions = self.pair.ways(method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) errors. Raises GanzooError without true images."""
        fake, true = self.pair.of(step, direction)
        return {"pair_l1": (fake - true).abs().mean((1, 2, 3))}


class PSNR(Metric):
    """Peak signal-to-noise ratio of a translation against the true pair of its source, dB; higher is better.

    10·log₁₀(R² / MSE) of each image over all pixels and channels, R = 2, the range of [−1, 1] (so it is the same for
    images in [0, 1] or 0 … 255, but for their rounding); then the mean over images. Infinite where an image is
    its pair exactly. Needs data that knows pairs.
    """

    def __init__(self) -> None:
        self.pair = TruePair("psnr")

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the directions that can be measured. Raises GanzooError when none can."""
        self.directions = self.pair.ways(method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B,) decibels. Raises GanzooError without true images."""
        fake, true = self.pair.of(step, direction)
        return {"psnr": 10 * (4 / (fake - true).square().mean((1, 2, 3))).log10()}
