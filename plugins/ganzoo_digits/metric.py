"""Metrics of the striped digits: classification, reading, background and true pairs."""

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
from ganzoo_metrics.distances import frechet


class DigitsMetric(Metric):
    """Four values of a translation A → B, and the first two for the untranslated images.

    ``classified_B``: share that a classifier of A and B takes for B, %; by the glyph alone, where the data set's
    backgrounds differ. ``read``: share whose digit is read right by a classifier trained on B, %. ``background_l1``:
    mean |fake_B − real_A| where no glyph covers the pixel, and ``pair_l1``: mean |fake_B − true pair| everywhere, both
    of an image, on the scale [−1, 1]. Translations are cut to it as they are saved.

    The metric ``background_l1`` weighs each pixel by 1 − mask, so that the rims of the glyph, which it covers in part,
    count in part; here they do not count at all.
    """

    directions = ("AB",)

    domain: Classifier
    digit: Classifier

    def bind(self, method: Method, reader: Reader) -> None:
        """Raise GanzooError for data without digits, and for images of another size than the training images."""
        self.dataset = reader.dataset
        first = self.dataset.sample("train", "A", 0)
        if first.target is None or first.mask is None or "digit" not in first.values:
            raise GanzooError("the metric 'digits' measures the data set striped_digits alone: take another metric")
        require_size("digits", reader)

    def prepare(self, seed: int) -> None:
        """Train the classifiers, or take them from the cache."""
        self.domain, self.digit = domain_classifier(self.dataset), digit_classifier(self.dataset)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return a row an image: hits in percent, errors."""
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
    """Fréchet's distance between translations A → B and B's images, on the features of the classifier of A and B.

    The value is ``fd_classifier``. It needs no weights from elsewhere, and compares with nothing but itself: the
    features are the 1,536 numbers before the classifier's decision, on the images as they are.
    """

    directions = ("AB",)
    reference: Literal["", "measured", "train"] = "measured"
    about: Mapping[str, str] = MappingProxyType({"network": "the classifier of A and B"})

    domain: Classifier

    def bind(self, method: Method, reader: Reader) -> None:
        """Take the data.

        Raises GanzooError for images that are not of three channels, and where none are there for training, or of
        another size than is measured.
        """
        self.dataset = reader.dataset
        if any(count != 3 for count in self.dataset.channels.values()):
            raise GanzooError("the metric 'digits_distance' sees images of three channels: take another metric")
        require_size("digits_distance", reader)

    def prepare(self, seed: int) -> None:
        """Train the classifier, or take it from the cache."""
        self.domain = domain_classifier(self.dataset)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the features of the translations, (B, 1536)."""
        return {"features": self.features(step["fake_B"].clamp(-1, 1))}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the features of real images, likewise."""
        return {"features": self.features(step[f"real_{domain}"])}

    def features(self, images: Tensor) -> Tensor:
        """Return what the classifier knows of images (B, 3, H, W) in [−1, 1] before it decides."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            found: Tensor = nn.Sequential(*list(self.domain.to(images.device))[:-1])(images.float())
        return found

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance. Raises GanzooError for fewer than two images of a side."""
        return {"fd_classifier": frechet(rows["features"], real["features"])}


def require_size(metric: str, reader: Reader) -> None:
    """Raise GanzooError unless the training images, which classifiers learn from, are of the one size that is measured.

    Args:
        metric: whose classifiers they are, for the error.
        reader: of the data.
    """
    data, side = reader.dataset, reader.images.size
    if isinstance(data, StripedDigits):
        shapes = {(data.size, data.size)}  # known before anything is drawn
    else:
        samples = (data.sample("train", one, i) for one in data.channels for i in range(data.count("train", one)))
        shapes = {sample.image.shape[:2] for sample in samples}
    sides = {shape[0] if shape[0] == shape[1] else 0 for shape in shapes}
    if len(sides) != 1 or 0 in sides:
        there = "these are not" if sides else "there are none"
        raise GanzooError(
            f"evaluate.metrics: {metric}: its classifiers learn from training images, squares of one size, "
            f"and {there}: "
            "take another metric"
        )
    if (learnt := sides.pop()) != side:
        other = f" or data.size={side}" if isinstance(data, StripedDigits) else ""
        raise GanzooError(
            f"evaluate.metrics: {metric}: its classifiers learn from the data set's images as they are, "
            f"{learnt} pixels a "
            f"side, and those that are measured have {side}: set images.size={learnt}{other}"
        )
