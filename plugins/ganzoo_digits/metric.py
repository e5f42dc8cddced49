"""How well dark digits become striped ones: measured, as everything about the drawn pictures is known."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.data.loading import Reader
from ganzoo.interfaces import Direction, Method, Metric
from ganzoo.step import Step
from ganzoo_digits.judges import Classifier, digit_reader, domain_judge


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
