"""The metrics ``digits`` (classification, background and pair errors) and ``digits_distance`` (Fréchet)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_digits.classifiers import Classifier, digit_classifier, domain_classifier
from ganzoo_digits.dataset import StripedDigits
from ganzoo_metrics.distances import frechet, frechet_caution


class DigitsMetric(Metric):
    """Four values of the translations A → B, and the first two also for the untranslated images.

    ``classified_B``: share of images that a classifier of A and B classifies as B, in percent; it decides by the digit
    alone if the data set's backgrounds differ. ``read``: share of images whose digit is recognized by a classifier of
    B's digits, in percent. ``background_l1``: mean |fake_B − real_A| over the pixels that the digit does not touch.
    ``pair_l1``: mean |fake_B − true pair| over all pixels. Both errors are on the scale [−1, 1], to which translations
    are clamped, as when they are saved. ``classified_B_untranslated`` and ``read_untranslated`` are the values of the
    images of A.

    The metric ``background_l1`` weights each pixel by 1 − mask, so that the edges of the digit count in part; here they
    do not count.
    """

    directions = ("AB",)

    domain: Classifier
    digit: Classifier

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the data set.

        Raises GanzooError if it is not ``striped_digits`` or similar: its images of A need a mask, a true pair and a
        digit; and in the cases of ``require_size``.
        """
        self.dataset = reader.dataset
        first = self.dataset.sample("train", "A", 0)
        if first.target is None or first.mask is None or "digit" not in first.values or self.dataset.classes:
            raise GanzooError("the metric 'digits' measures the data set striped_digits alone: choose another metric")
        require_size("digits", reader)

    def prepare(self, seed: int) -> None:
        """Train both classifiers, or load them from the cache."""
        self.domain, self.digit = domain_classifier(self.dataset), digit_classifier(self.dataset)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the six values of each image, (B,) each: hits as 0 or 100, errors on the scale [−1, 1]."""
        device = step["fake_B"].device
        self.domain.to(device)
        self.digit.to(device)
        fake, real = step["fake_B"].float().clamp(-1, 1), step["real_A"].float()
        digits = step["digit_A"].long()
        ground = (step["given_mask_A"] == 0).float()
        pixels = ground.sum(dim=(1, 2, 3)).clamp(min=1)
        with torch.autocast(device.type, enabled=False):
            return {
                "classified_B": _percent(self.domain(fake).argmax(1) == 1),
                "read": _percent(self.digit(fake).argmax(1) == digits),
                "background_l1": ((fake - real).abs().mean(1, keepdim=True) * ground).sum(dim=(1, 2, 3)) / pixels,
                "pair_l1": (fake - step["true_B"]).abs().mean(dim=(1, 2, 3)),
                "classified_B_untranslated": _percent(self.domain(real).argmax(1) == 1),
                "read_untranslated": _percent(self.digit(real).argmax(1) == digits),
            }


def _percent(hits: Tensor) -> Tensor:
    return 100 * hits.float()


class DigitsDistance(Metric):
    """Fréchet distance between translations A → B and B's images, on the features of the classifier of A and B.

    The value is ``fd_classifier``; compare it only with values of the same data set, because the classifier learns from
    it. It needs no downloaded weights: the features are the 1,536 inputs of the classifier's last layer, on images
    without resizing.
    """

    directions = ("AB",)
    reference: Literal["", "measured", "train"] = "measured"
    about: Mapping[str, str] = MappingProxyType({"network": "the classifier of A and B"})

    domain: Classifier

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the data set.

        Raises GanzooError for images without three channels, and in the cases of ``require_size``.
        """
        self.dataset = reader.dataset
        if any(count != 3 for count in self.dataset.channels.values()):
            raise GanzooError("the metric 'digits_distance' needs images of three channels: choose another metric")
        require_size("digits_distance", reader)

    def prepare(self, seed: int) -> None:
        """Train the classifier, or load it from the cache."""
        self.domain = domain_classifier(self.dataset)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the features of the translations, (B, 1536), under ``features``."""
        return {"features": self.features(step["fake_B"].clamp(-1, 1))}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the features of the real images of a domain, (B, 1536), under ``features``."""
        return {"features": self.features(step[f"real_{domain}"])}

    def features(self, images: Tensor) -> Tensor:
        """Return the inputs of the classifier's last layer, (B, 1536), for images (B, 3, H, W) in [−1, 1]."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            features: Tensor = nn.Sequential(*list(self.domain.to(images.device))[:-1])(images.float())
        return features

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance under ``fd_classifier``.

        Raises GanzooError if a set has fewer than two images, or if a feature is not finite.
        """
        return {"fd_classifier": frechet(rows["features"], real["features"])}

    def caution(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> str:
        """Return that there are fewer images than features."""
        return frechet_caution("fd_classifier", rows["features"], real["features"])


def require_size(metric: str, reader: Reader) -> None:
    """Raise GanzooError unless there are training images, and all are squares of the measured images' size.

    All training images are read, except those of ``striped_digits``.

    Args:
        metric: the name of the metric, for the error message.
        reader: the reader of the run's data.
    """
    data = reader.dataset
    if isinstance(data, StripedDigits):
        shapes = {(data.size, data.size)}  # known before anything is drawn
    else:
        samples = (data.sample("train", one, i) for one in data.channels for i in range(data.count("train", one)))
        shapes = {sample.image.shape[:2] for sample in samples}
    sides = {shape[0] if shape[0] == shape[1] else 0 for shape in shapes}
    if len(sides) != 1 or 0 in sides:
        problem = "these are not" if sides else "there are none"
        raise GanzooError(
            f"evaluate.metrics: {metric}: its classifiers learn from training images, squares of one size, "
            f"and {problem}: choose another metric"
        )
    trained_size = sides.pop()
    if reader.images.fit != "none" and reader.images.shape != (trained_size, trained_size):
        height, width = reader.images.shape
        measured = f"{height}" if height == width else f"{width}×{height}"
        other = f" or data.size={height}" if isinstance(data, StripedDigits) and height == width else ""
        raise GanzooError(
            f"evaluate.metrics: {metric}: its classifiers learn from the data set's images as they are, "
            f"{trained_size} pixels a "
            f"side, and the measured images have {measured}: set images.size={trained_size}{other}"
        )
