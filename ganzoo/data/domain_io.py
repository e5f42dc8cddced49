"""What a domain's images are, on their way into networks and out: of so many channels, or label maps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ganzoo.data.image_io import from_pil, read_image, to_float, to_uint8
from ganzoo.data.label_maps import argmax_classes, check_classes, labels_from_pil, one_hot, palette_image, read_labels
from ganzoo.data.transforms import resize
from ganzoo.errors import GanzooError


@dataclass(frozen=True)
class DomainIO:
    """A domain's images outside of training.

    Args:
        channels: of the tensors.
        classes: 0, or how many classes label maps have; ``channels`` is then the same.
    """

    channels: int
    classes: int = 0

    def read(self, source: Path | Image.Image) -> np.ndarray:
        """Read an image, (H, W, C) uint8; of a label map C is 1. Raises GanzooError for what is none of the domain."""
        path = source if isinstance(source, Path) else Path("image")
        if self.classes:
            labels = read_labels(source) if isinstance(source, Path) else labels_from_pil(source)
            return check_classes(labels, self.classes, path)[:, :, None]
        return read_image(source, self.channels) if isinstance(source, Path) else from_pil(source, self.channels)

    def resized(self, pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Return what was read at another size; classes are not mixed."""
        return resize(pixels, shape, Image.Resampling.NEAREST if self.classes else Image.Resampling.BICUBIC)

    def batch(self, pixels: np.ndarray) -> Tensor:
        """Return what was read as networks see it: (1, C, H, W) in [−1, 1], one-hot where there are classes."""
        if self.classes:
            return one_hot(torch.from_numpy(pixels[None, :, :, 0].astype(np.int64)), self.classes)
        return to_float(pixels)[None]

    def image(self, made: Tensor) -> Image.Image:
        """Return what a network made, (C, H, W), as an image: of the likeliest class at each pixel, with a palette."""
        if self.classes:
            return palette_image(argmax_classes(made))
        if len(made) not in (1, 3):
            raise GanzooError(
                f"an image file has 1 or 3 channels, and this domain {len(made)}: translate tensors, in Python"
            )
        pixels = to_uint8(made)
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
