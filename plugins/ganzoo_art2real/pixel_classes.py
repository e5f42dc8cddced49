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
    """Interface of a source of pixel classes. Classes may overlap, and a pixel may have none."""

    description: Any = "none"
    """What determines the classes, as plain data; it is part of the bank's key."""

    @abstractmethod
    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return class (1 or more) → its pixels, (H, W) bool.

        Args:
            sample: the photograph, scaled to the bank's size.
            index: number of the photograph in the bank, which keys random masks.
        """

    def names(self) -> dict[int, str]:
        """Return class → name for the classes that are known before a photograph is read; by default empty."""
        return {}


class NoClasses(PixelClasses):
    """No classes: every pixel is background."""

    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return an empty mapping."""
        return {}


class LabelMapClasses(PixelClasses):
    """The classes in the label map of each photograph: class c is the value c, and 0 is no class."""

    description = "label maps"

    def classes(self, sample: Sample, index: int) -> dict[int, np.ndarray]:
        """Return class → its pixels, (H, W) bool, for the classes in the sample's label map, which it must have."""
        assert sample.labels is not None, "label maps are read with the photographs"
        return {int(value): sample.labels == value for value in np.unique(sample.labels) if value}


class MaskerClasses(PixelClasses):
    """The classes of a masker: the pixels of class c are those with at least ½ in plane c − 1 of the mask.

    Args:
        text: the masker in YAML, as in a recipe: ``segmenter``, ``{masker: unet, weights: FOLDER}``.

    Raises GanzooError with one line for each mistake in the text, for a masker that reads the data set's masks, and for
    an untrained one.
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
        """Return class → its pixels, (H, W) bool, one class for each plane of the photograph's mask."""
        image = to_float(sample.image)[None].to(self.device)
        mask = self.transform(self.masker(image, rng=Draws([keyed(0, index, "mask/labels")])))
        return {plane + 1: region for plane, region in enumerate((mask[0] >= 0.5).cpu().numpy())}

    def names(self) -> dict[int, str]:
        """Return class → name for each plane, as ``class_names`` does."""
        return class_names(self.masker, self.transform)


def class_names(masker: Masker, transform: MaskTransform) -> dict[int, str]:
    """Return class → name for the planes of a masker's post-processed masks, counted from 1.

    Names are the masker's own; without any they are ``class 1`` and so on. A union of classes is ``foreground``.
    """
    if transform.foreground:
        return {1: "foreground"}
    names = masker.classes or tuple(f"class {i + 1}" for i in range(masker.planes))
    return dict(enumerate(names, 1))
