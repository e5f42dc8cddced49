"""``pair_l1`` and ``psnr``: the error of a translation against the true image of the same scene."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.directions import first_samples, image_directions


class TruePair:
    """Provides a direction's translations and the true images that correspond to them.

    Args:
        metric: the name of the metric, for error messages.
    """

    def __init__(self, metric: str) -> None:
        self.metric = metric

    def directions(self, method: Method, reader: Reader) -> tuple[Direction, ...]:
        """Return the method's directions into images for which the data has true pairs.

        Raises GanzooError if there are none.
        """
        return self.with_pairs(image_directions(self.metric, method, reader), reader)

    def with_pairs(self, directions: Sequence[Direction], reader: Reader) -> tuple[Direction, ...]:
        """Return the directions whose source images have true pairs. Raises GanzooError if there are none."""
        data = reader.dataset
        paired = tuple(way for way in directions if any(one.target is not None for one in first_samples(data, way[0])))
        if not paired:
            raise self.missing_pairs(directions[0][0])
        return paired

    def of(self, step: Step, direction: Direction) -> tuple[Tensor, Tensor]:
        """Return translations, clamped to [−1, 1] as when saved, and true images, (B, C, H, W) each, float32.

        Raises GanzooError if the measured images have no true pairs.
        """
        source, target = direction
        if f"true_{target}" not in step:
            raise self.missing_pairs(f"the measured images of {source}")
        return step[f"fake_{target}"].float().clamp(-1, 1), step[f"true_{target}"].float()

    def missing_pairs(self, which: str) -> GanzooError:
        """Return the error for data without true pairs; ``which`` names the domain or the images that lack them."""
        return GanzooError(
            f"evaluate.metrics: {self.metric} compares a translation with the true image of the same scene, and the "
            f"data set has none for {which}: remove the metric, or use paired data, data: {{dataset: paired, …}}"
        )


class PairL1(Metric):
    """Mean |fake_Y − true_Y| of an image, on the scale [−1, 1], then the mean over images; 0 is best, 2 is worst.

    true_Y is the true pair of the direction's source image. Needs data with true pairs (``paired``,
    ``striped_digits``).
    """

    def __init__(self) -> None:
        self.pair = TruePair("pair_l1")

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions that can be measured. Raises GanzooError if there are none."""
        self.directions = self.pair.directions(method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the error of each image, (B,). Raises GanzooError if true images are missing."""
        fake, true = self.pair.of(step, direction)
        return {"pair_l1": (fake - true).abs().mean((1, 2, 3))}


class PSNR(Metric):
    """Peak signal-to-noise ratio of a translation against the true pair of its source, in dB; higher is better.

    It is 10·log₁₀(R² / MSE) of each image over all pixels and channels, with R = 2, the range of [−1, 1] (the same as
    for images in [0, 1] or 0 … 255, except for rounding); then the mean over images. An image that equals its pair
    counts as if one of its values differed by one of the 255 levels, as the mean would be infinite: 101 dB for
    256 × 256 pixels of three channels. Needs data with true pairs.
    """

    def __init__(self) -> None:
        self.pair = TruePair("psnr")

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions that can be measured. Raises GanzooError if there are none."""
        self.directions = self.pair.directions(method, reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the value of each image in dB, (B,). Raises GanzooError if true images are missing."""
        fake, true = self.pair.of(step, direction)
        least = (2 / 255) ** 2 / fake[0].numel()
        return {"psnr": 10 * (4 / (fake - true).square().mean((1, 2, 3)).clamp(min=least)).log10()}
