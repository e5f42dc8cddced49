"""Which class each pixel of a photograph is of, as a bank is built: by label maps, by a masker, or by nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo import GanzooError, create_masker
from ganzoo.interfaces import Draws, Masker, MaskTransform, Roles, Sample, default_device, keyed, to_float, to_plain


class Segmenting(ABC):
    """Says which pixels are of which class; overlaps are allowed, and pixels of no class."""

    about: Any = "none"
    """What decides the classes, as plain data: part of the bank's key."""

    @abstractmethod
    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return class, 1 or more → (H, W) bool, of the index-th photograph, scaled already."""

    def names(self) -> dict[int, str]:
        """Return the names of the classes that are known beforehand, whether any photograph shows them or not."""
        return {}


class Nothing(Segmenting):
    """No class at all: everything is background."""

    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return nothing."""
        return {}


class LabelMaps(Segmenting):
    """The label map that lies beside each photograph: class c is value c, and 0 is no class."""

    about = "label maps"

    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return the classes that the map shows."""
        assert sample.labels is not None, "label maps are read with the photographs"
        return {int(value): sample.labels == value for value in np.unique(sample.labels) if value}


class ByMasker(Segmenting):
    """A masker of ganzoo: class c is where its plane c − 1 is at least ½.

    Args:
        text: the masker as YAML, as a recipe names it: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Raises GanzooError, a line for each mistake, also for a masker that cannot judge an image by itself.
    """

    def __init__(self, text: str) -> None:
        named = create_masker(text, "labels", "--masker")
        self.masker, self.transform, name, options = named.masker, named.transform, named.name, named.options
        if "given" in self.masker.needs:
            raise GanzooError(f"--masker: {name!r} reads what comes with the images; for label maps there is --labels")
        if self.masker.trains:
            raise GanzooError(f"--masker: {name!r} is untrained; choose another")
        self.planes = 1 if self.transform.foreground else self.masker.planes
        # Weights count by what they hold, not by where they lie.
        kept = {name: one for name, one in options.items() if not isinstance(one, Path)}
        weights = Roles({"labels": self.masker}).checksums()
        self.about = {"masker": name, **to_plain(kept), **to_plain(asdict(self.transform)), **weights}
        self.device = default_device()
        self.masker.to(self.device)

    @torch.no_grad()
    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return a class for each plane."""
        image = to_float(sample.image)[None].to(self.device)
        mask = self.transform(self.masker(image, rng=Draws([keyed(0, index, "mask/labels")])))
        return {plane + 1: where for plane, where in enumerate((mask[0] >= 0.5).cpu().numpy())}

    def names(self) -> dict[int, str]:
        """Return a class for each plane, by the masker's own names where it has some."""
        return names_of(self.masker, self.transform)


def names_of(masker: Masker, transform: MaskTransform) -> dict[int, str]:
    """Return what a bank calls the planes of a masker, by class, the first 1."""
    if transform.foreground:
        return {1: "foreground"}
    named = masker.classes or tuple(f"class {i + 1}" for i in range(masker.planes))
    return dict(enumerate(named, 1))
