"""The class of each pixel of a photograph, from label maps or a masker, for building a bank."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ganzoo import GanzooError, create_masker
from ganzoo.interfaces import Draws, Masker, MaskTransform, Roles, Sample, default_device, keyed, to_float, to_plain


class PixelClasses(ABC):
    """Interface: which pixels belong to which class. Classes may overlap; a pixel may have none."""

    description: Any = "none"
    """What determines the classes, as plain data; it is part of the bank's key."""

    @abstractmethod
    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return class (1 or more) → (H, W) bool for the index-th photograph, which is scaled already."""

    def names(self) -> dict[int, str]:
        """Return class → name for the classes that are known before any photograph is read."""
        return {}


class NoClasses(PixelClasses):
    """No classes: every pixel is background."""

    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return no classes."""
        return {}


class LabelMapClasses(PixelClasses):
    """The label map of each photograph: class c is value c, and 0 is no class."""

    description = "label maps"

    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return the classes in the label map."""
        assert sample.labels is not None, "label maps are read with the photographs"
        return {int(value): sample.labels == value for value in np.unique(sample.labels) if value}


class MaskerClasses(PixelClasses):
    """The planes of a masker: class c is where plane c − 1 is at least ½.

    Args:
        text: the masker in YAML, as in a recipe: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Raises GanzooError, one line for each mistake, also for a masker that needs more than the image.
    """

    def __init__(self, text: str) -> None:
        named = create_masker(text, "labels", "--masker")
        self.masker, self.transform, name, options = named.masker, named.transform, named.name, named.options
        if "given" in self.masker.needs:
            raise GanzooError(f"--masker: {name!r} reads masks of the data set; use --labels for label maps")
        if self.masker.trains:
            raise GanzooError(f"--masker: {name!r} is untrained; choose another")
        self.planes = 1 if self.transform.foreground else self.masker.planes
        # Weights are described by their checksum, not by their path.
        pathless = {name: value for name, value in options.items() if not isinstance(value, Path)}
        weights = Roles({"labels": self.masker}).checksums()
        self.description = {"masker": name, **to_plain(pathless), **to_plain(asdict(self.transform)), **weights}
        self.device = default_device()
        self.masker.to(self.device)

    @torch.no_grad()
    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return one class for each plane."""
        image = to_float(sample.image)[None].to(self.device)
        mask = self.transform(self.masker(image, rng=Draws([keyed(0, index, "mask/labels")])))
        return {plane + 1: region for plane, region in enumerate((mask[0] >= 0.5).cpu().numpy())}

    def names(self) -> dict[int, str]:
        """Return class → name for each plane, with the masker's own names if it has any."""
        return class_names(self.masker, self.transform)


def class_names(masker: Masker, transform: MaskTransform) -> dict[int, str]:
    """Return class → name for the planes of a masker, counted from 1."""
    if transform.foreground:
        return {1: "foreground"}
    names = masker.classes or tuple(f"class {i + 1}" for i in range(masker.planes))
    return dict(enumerate(names, 1))
