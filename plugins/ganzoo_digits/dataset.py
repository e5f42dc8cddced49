"""The data set ``striped_digits``: plain dark digits (A), digits striped in yellow and red (B), both on clutter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganzoo.interfaces import Dataset, GanzooError, Sample, Split, keyed
from ganzoo_digits import drawing

SCANS = 1797
VALIDATION = 97
LANDSCAPES = {
    "alike": {"A": drawing.ANYWHERE, "B": drawing.ANYWHERE},
    "different": {"A": drawing.MEADOW, "B": drawing.SAVANNA},
}


@dataclass(frozen=True)
class _Scans:
    images: NDArray[np.floating]
    digits: NDArray[np.integer]


class StripedDigits(Dataset):
    """Draw horse → zebra in miniature from the 1,797 scanned digits that scikit-learn carries.

    Nothing is downloaded. In training A and B show different scans. In test and validation B shows the scans of A over
    other clutter, as A's true pair is in ``Sample.target``: the same scan over the same clutter in the other domain.
    ``mask`` is the glyph's coverage, ``values["digit"]`` what it reads. Images are drawn at first use and cached.

    As horses stand in meadows and zebras in savannas, the clutter may differ as well: with ``backgrounds: different``
    A lies on upright boxes and bars in cool hues, B on ellipses and slanting bars in sandy ones, in every split. The
    true pair keeps its image's clutter still, so to repaint it is wrong, though the images of B would suggest it.

    Args:
        size: the images' side in pixels, at least 16.
        seed: draws the clutter, the shades and the splits; the run's own seed leaves them as they are.
        held_out: the number of test scans, 1 … 1,698; 97 more are for validation, the rest for training.
        backgrounds: whether the clutter of A and B is drawn ``alike`` or is ``different``.
        pairs: whether image i of B is in training the true pair of image i of A, for methods that learn from pairs;
            B's own scans are then left out. What is held out stays as it is.
    """

    def __init__(
        self,
        *,
        size: int = 32,
        seed: int = 0,
        held_out: int = 600,
        backgrounds: Literal["alike", "different"] = "alike",
        pairs: bool = False,
    ) -> None:
        if size < 16:
            raise GanzooError(f"striped_digits: size is {size}, but a digit needs at least 16 pixels")
        most = SCANS - VALIDATION - 2
        if not 1 <= held_out <= most:
            raise GanzooError(f"striped_digits: held_out is {held_out}, but must be from 1 to {most}")
        self.size = size
        self.seed = seed
        self.held_out = held_out
        self.backgrounds = backgrounds
        self.paired = pairs
        self.version = f"{size} pixels, seed {seed}, held out {held_out}, backgrounds {backgrounds}, pairs {pairs}"
        order = keyed("striped_digits", seed, "split").permutation(SCANS)
        test, validation, train = np.split(order, [held_out, held_out + VALIDATION])
        half = len(train) // 2
        self._scans_of = {
            ("test", "A"): test,
            ("test", "B"): test,
            ("validation", "A"): validation,
            ("validation", "B"): validation,
            ("train", "A"): train[:half],
            ("train", "B"): train[:half] if pairs else train[half:],
        }
        self._drawn: dict[tuple[str, str], list[Sample]] = {}

    def unpaired(self) -> StripedDigits:
        """Return the same data without pairs: what the classifiers learn from."""
        if not self.paired:
            return self
        return StripedDigits(size=self.size, seed=self.seed, held_out=self.held_out, backgrounds=self.backgrounds)

    def count(self, split: Split, domain: str) -> int:
        """Return how many images there are."""
        return len(self._scans_of[split, domain])

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Return one image, (size, size, 3), named by its scan's place among scikit-learn's: ``train_A_00012``."""
        place = (split, domain)
        if place not in self._drawn:
            self._drawn[place] = [self._draw(split, domain, int(scan)) for scan in self._scans_of[place]]
        return self._drawn[place][index]

    @cached_property
    def _scans(self) -> _Scans:
        from sklearn.datasets import load_digits

        bunch = load_digits()
        return _Scans(bunch.images, bunch.target)

    def _draw(self, split: Split, domain: str, scan: int) -> Sample:
        alone = split == "train" or domain == "A"
        kind = "clutter" if alone else "other clutter"
        landscape = LANDSCAPES[self.backgrounds]["A" if self.paired and split == "train" else domain]
        ground = drawing.clutter(keyed("striped_digits", self.seed, kind, scan), self.size, landscape)
        shade = drawing.dark(keyed("striped_digits", self.seed, "shade", scan), self.size)
        cover = drawing.coverage(self._scans.images[scan], self.size)
        images = {
            "A": drawing.paint(ground, shade, cover),
            "B": drawing.paint(ground, drawing.striped(self.size), cover),
        }
        return Sample(
            images[domain],
            f"{split}_{domain}_{scan:05d}",
            mask=cover,
            target=images["B" if domain == "A" else "A"],
            values={"digit": float(self._scans.digits[scan])},
        )
