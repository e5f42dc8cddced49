"""Convert a domain's images or label maps to network tensors and back, outside of training."""

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
    """Reads, resizes and converts the images of one domain.

    Args:
        channels: the number of channels of the networks' tensors.
        classes: the number of classes if the images are label maps, and ``channels`` is then the same number; else 0.
    """

    channels: int
    classes: int = 0

    def read(self, source: Path | Image.Image) -> np.ndarray:
        """Return an image as (H, W, C) uint8 pixels, or a label map as (H, W, 1) classes.

        Raises GanzooError if a file cannot be read (see ``read_image`` and ``read_labels``), or if the domain lacks a
        class.
        """
        path = source if isinstance(source, Path) else Path("image")
        if self.classes:
            labels = read_labels(source) if isinstance(source, Path) else labels_from_pil(source)
            return check_classes(labels, self.classes, path)[:, :, None]
        return read_image(source, self.channels) if isinstance(source, Path) else from_pil(source, self.channels)

    def resized(self, pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Return pixels resized to the height and width in ``shape``: bicubic, or label maps by nearest neighbour."""
        return resize(pixels, shape, Image.Resampling.NEAREST if self.classes else Image.Resampling.BICUBIC)

    def batch(self, pixels: np.ndarray) -> Tensor:
        """Return pixels (H, W, C) as a network's input, (1, C, H, W) in [−1, 1]; a label map is one-hot."""
        if self.classes:
            return one_hot(torch.from_numpy(pixels[None, :, :, 0].astype(np.int64)), self.classes)
        return to_float(pixels)[None]

    def image(self, tensor: Tensor) -> Image.Image:
        """Return a network's output, (C, H, W) in [−1, 1], as an image.

        A label map becomes a palette image with the most likely class of each pixel. Raises GanzooError if other images
        have neither 1 nor 3 channels.
        """
        if self.classes:
            return palette_image(argmax_classes(tensor))
        if len(tensor) not in (1, 3):
            raise GanzooError(
                f"an image file has 1 or 3 channels, and this domain has {len(tensor)}; translate tensors in Python"
            )
        pixels = to_uint8(tensor)
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
