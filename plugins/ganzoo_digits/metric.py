"""How well dark digits become striped ones: measured, as everything about the drawn pictures is known."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.data.loading import Reader
from ganzoo.interfaces import Direction, Method, Metric
from ganzoo.step import Step
from ganzoo_digits.judges import Classifier, digit_reader, domain_judge
from ganzoo_metrics.distances import frechet


class DigitsMetric(Metric):
    """Four figures of a translation A → B, and the first two for the untranslated pictures.

    ``judged_B``: share that a classifier of A and B takes for B, %; by the glyph alone, where the data set's
    backgrounds differ. ``read``: share whose digit is read right by a classifier trained on B, %. ``background_l1``:
    mean |fake_B − real_A| where no glyph covers the pixel, and ``pair_l1``: mean |fake_B − true pair| everywhere, both
    of a picture, on the scale [−1, 1].
    """

    directions = ("AB",)

    domain: Classifier
    digit: Classifier

    def bind(self, method: Method, reader: Reader) -> None:
        """Raise GanzooError for data that knows no digits."""
        self.dataset = reader.dataset
        first = self.dataset.sample("train", "A", 0)
        if first.target is None or first.mask is None or "digit" not in first.values:
            raise GanzooError("the metric 'digits' measures the data set striped_digits alone: take another metric")

    def prepare(self, seed: int) -> None:
        """Train the judges, or take them from the cache."""
        self.domain, self.digit = domain_judge(self.dataset), digit_reader(self.dataset)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return a row a picture: hits in percent, errors."""
        device = step["fake_B"].device
        self.domain.to(device)
        self.digit.to(device)
        fake, real, digits = step["fake_B"].float(), step["real_A"].float(), step["digit_A"].long()
        ground = (step["given_mask_A"] == 0).float()
        pixels = ground.sum(dim=(1, 2, 3)).clamp(min=1)
        with torch.autocast(device.type, enabled=False):
            return {
                "judged_B": _percent(self.domain(fake).argmax(1) == 1),
                "read": _percent(self.digit(fake).argmax(1) == digits),
                "background_l1": ((fake - real).abs().mean(1, keepdim=True) * ground).sum(dim=(1, 2, 3)) / pixels,
                "pair_l1": (fake - step["true_B"]).abs().mean(dim=(1, 2, 3)),
                "judged_B_untranslated": _percent(self.domain(real).argmax(1) == 1),
                "read_untranslated": _percent(self.digit(real).argmax(1) == digits),
            }


def _percent(hits: Tensor) -> Tensor:
    return 100 * hits.float()


class DigitsDistance(Metric):
    """Fréchet's distance between translations A → B and B's pictures, on the features of the classifier of A and B.

    The figure is ``fd_judge``. It needs no weights from elsewhere, and compares with nothing but itself: the features
    are the 1,536 numbers before the classifier's decision, on the pictures as they are.
    """

    directions = ("AB",)
    real: Literal["", "measured", "train"] = "measured"
    about: Mapping[str, str] = MappingProxyType({"network": "the classifier of A and B"})

    domain: Classifier

    def bind(self, method: Method, reader: Reader) -> None:
        """Take the data. Raises GanzooError for pictures that are not of three channels."""
        self.dataset = reader.dataset
        if any(count != 3 for count in self.dataset.channels.values()):
            raise GanzooError("the metric 'digits_distance' sees pictures of three channels: take another metric")

    def prepare(self, seed: int) -> None:
        """Train the judge, or take it from the cache."""
        self.domain = domain_judge(self.dataset)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the features of the translations, (B, 1536)."""
        return {"features": self.features(step["fake_B"])}

    def real_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the features of real pictures, likewise."""
        return {"features": self.features(step[f"real_{domain}"])}

    def features(self, images: Tensor) -> Tensor:
        """Return what the judge knows of pictures (B, 3, H, W) in [−1, 1] before it decides."""
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            found: Tensor = nn.Sequential(*list(self.domain.to(images.device))[:-1])(images.float())
        return found

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the distance. Raises GanzooError for fewer than two pictures of a side."""
        return {"fd_judge": frechet(rows["features"], real["features"])}
