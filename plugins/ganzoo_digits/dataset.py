"""The data set ``striped_digits``: dark digits (A) and yellow-red striped digits (B) on random clutter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ganzoo.interfaces import Dataset, GanzooError, Sample, Split, keyed
from ganzoo_digits import drawing

SCANS = 1797
CLASSES = 11
"""Number of classes of the label maps: the background and ten digits."""
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
    """A small horse → zebra task, drawn from the 1,797 scanned digits in scikit-learn; nothing is downloaded.

    A shows dark digits, B digits with yellow and red stripes, both over a background of random shapes, the clutter. In
    training, A and B show different scans. In test and validation, B shows the scans of A over other clutter.
    ``Sample.target`` is the true pair: the same scan over the same clutter in the other domain. ``mask`` says how much
    of each pixel the digit covers, ``values["digit"]`` which digit it is. Images are drawn when first needed, and kept
    in memory.

    The clutter can differ too, as horses and zebras live in different landscapes: with ``backgrounds: different``, A
    has upright boxes and bars in cool hues, B ellipses and slanting bars in sandy hues, in every split. The true pair
    keeps the clutter of its image, so a translation that repaints the background is wrong, although B's images suggest
    it.

    Args:
        size: the images' side in pixels, at least 16.
        seed: the seed of the clutter, the shades and the splits; they do not depend on the run's seed.
        held_out: the number of test scans, 1 … 1,698; 97 more are for validation, the rest for training.
        backgrounds: whether the clutter of A and B is ``alike`` or ``different``.
        pairs: make image i of B the true pair of image i of A in training, for methods that learn from pairs; B's own
            scans and clutter are then unused there. Test and validation do not change.
        label_maps: make A label maps of eleven classes: 0 is the background, and digit d has the class 1 + d.
        train_limit: the largest number of training images of a domain; 0: all. The metrics' classifiers learn from all
            of them.
    """

    def __init__(
        self,
        *,
        size: int = 32,
        seed: int = 0,
        held_out: int = 600,
        backgrounds: Literal["alike", "different"] = "alike",
        pairs: bool = False,
        label_maps: bool = False,
        train_limit: int = 0,
    ) -> None:
        if size < 16:
            raise GanzooError(f"striped_digits: size is {size}, but a digit needs at least 16 pixels: increase size")
        most = SCANS - VALIDATION - 2
        if not 1 <= held_out <= most:
            raise GanzooError(f"striped_digits: held_out is {held_out}, but must be from 1 to {most}")
        if train_limit < 0:
            raise GanzooError(f"striped_digits: train_limit is {train_limit}, but must be 0 (all) or more")
        self.size = size
        self.seed = seed
        self.held_out = held_out
        self.backgrounds = backgrounds
        self.paired = pairs
        self.label_maps = label_maps
        self.train_limit = train_limit
        self.classes = {"A": CLASSES} if label_maps else {}
        self.channels = {"A": CLASSES if label_maps else 3, "B": 3}
        self.version = f"{size} pixels, seed {seed}, held out {held_out}, backgrounds {backgrounds}, pairs {pairs}"
        self.version += ", label maps" if label_maps else ""
        self.version += f", at most {train_limit} for training" if train_limit else ""
        order = keyed("striped_digits", seed, "split").permutation(SCANS)
        test, validation, train = np.split(order, [held_out, held_out + VALIDATION])
        half = len(train) // 2
        of_a, of_b = train[:half], train[:half] if pairs else train[half:]
        self._scans_of = {
            ("test", "A"): test,
            ("test", "B"): test,
            ("validation", "A"): validation,
            ("validation", "B"): validation,
            ("train", "A"): of_a[: train_limit or None],
            ("train", "B"): of_b[: train_limit or None],
        }
        self._drawn: dict[tuple[str, str], list[Sample]] = {}

    def unpaired(self) -> StripedDigits:
        """Return the same data set without ``pairs`` and ``train_limit``, from which the metrics' classifiers learn."""
        if not self.paired and not self.train_limit:
            return self
        return StripedDigits(size=self.size, seed=self.seed, held_out=self.held_out, backgrounds=self.backgrounds)

    def count(self, split: Split, domain: str) -> int:
        """Return the number of a split's images of a domain."""
        return len(self._scans_of[split, domain])

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Return one image, (size, size, 3), or a label map, (size, size, 1), with its mask, true pair and digit.

        Its name contains the index of its scan in scikit-learn: ``train_A_00012``.
        """
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
        own = split == "train" or domain == "A"
        kind = "clutter" if own else "other clutter"
        landscape = LANDSCAPES[self.backgrounds]["A" if self.paired and split == "train" else domain]
        ground = drawing.clutter(keyed("striped_digits", self.seed, kind, scan), self.size, landscape)
        shade = drawing.dark(keyed("striped_digits", self.seed, "shade", scan), self.size)
        cover = drawing.coverage(self._scans.images[scan], self.size)
        images = {
            "A": drawing.paint(ground, shade, cover),
            "B": drawing.paint(ground, drawing.striped(self.size), cover),
        }
        if self.label_maps:
            images["A"] = np.uint8(1 + self._scans.digits[scan]) * (cover[:, :, None] > 127)
        return Sample(
            images[domain],
            f"{split}_{domain}_{scan:05d}",
            mask=cover,
            target=images["B" if domain == "A" else "A"],
            values={"digit": float(self._scans.digits[scan])},
        )
