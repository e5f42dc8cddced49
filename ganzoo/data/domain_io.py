"""Convert a domain's images or label maps to network tensors and back, outside of training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ganzoo.data.image_io import from_pil, read_image, to_float, to_uint8
from ganzoo.data.label_maps import argmax_classes, check_classes, labels_from_pil, one_hot, palette_image, read_labels
from ganzoo.data.transforms import FILTERS, resize
from ganzoo.data.types import ImageFile
from ganzoo.data.value_range import ValueRange, fits_16_bits, fits_32_bits, from_scale, has_integers
from ganzoo.errors import GanzooError
from ganzoo.settings import Resample

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class DomainIO:
    """Reads, resizes and converts the images of one domain.

    Args:
        channels: number of channels of the network tensors.
        classes: the number of classes if the images are label maps (``channels`` is then the same), else 0.
        value_range: the values in files that become −1 and 1; None: images of 8 bits, see ``read_image``.
        resample: the filter with which images are resized.
    """

    channels: int
    classes: int = 0
    value_range: ValueRange | None = None
    resample: Resample = "bicubic"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """The suffixes of files that hold this domain's images without a change of their range; the first is usual.

        That is ``.png``; ``.tif`` for values that no PNG file holds (negative, float, above 65535); ``.npy`` for a
        number of channels that no image file has, for colours of more than 8 bits, and for integers of more than 32.
        Label maps need a format without loss, in which a pixel is a class.
        """
        if self.classes:
            return (".png", ".tif", ".npy")
        if self.channels not in (1, 3) or (self.value_range and self.channels == 3):
            return (".npy",)
        if self.value_range is None:
            return (".png", ".jpg", ".webp", ".tif", ".npy")
        if has_integers(self.value_range) and not fits_32_bits(self.value_range):
            return (".npy",)
        return (".png", ".tif", ".npy") if fits_16_bits(self.value_range) else (".tif", ".npy")

    @property
    def suffix(self) -> str:
        """The usual suffix of files that hold this domain's images."""
        return self.suffixes[0]

    def read(self, source: ImageFile | Image.Image, path: ImageFile = Path("image")) -> np.ndarray:
        """Read an image as (H, W, C) uint8, or float32 if it has a range; both on the scale 0 … 255.

        C is 1 for a label map. ``path`` is the name of a Pillow image in errors. Raises GanzooError if the image does
        not fit the domain.
        """
        if not isinstance(source, Image.Image):
            path = source
        if self.classes:
            labels = labels_from_pil(source, path) if isinstance(source, Image.Image) else read_labels(source)
            return check_classes(labels, self.classes, path)[:, :, None]
        if not isinstance(source, Image.Image):
            return read_image(source, self.channels, self.value_range)
        if self.channels not in (1, 3):
            raise GanzooError(f"{path}: an image has 1 or 3 channels, this domain {self.channels}; give a .npy file")
        return from_pil(source, self.channels, path, self.value_range)

    def resized(self, pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
        """Return pixels resized to the height and width in ``shape``; label maps by nearest neighbour."""
        return resize(pixels, shape, Image.Resampling.NEAREST if self.classes else FILTERS[self.resample])

    def batch(self, pixels: np.ndarray) -> Tensor:
        """Return pixels (H, W, C) as a network's input, (1, C, H, W) in [−1, 1]; a label map is one-hot."""
        import torch

        if self.classes:
            return one_hot(torch.from_numpy(pixels[None, :, :, 0].astype(np.int64)), self.classes)
        return to_float(pixels)[None]

    def image(self, tensor: Tensor) -> Image.Image:
        """Return a network's output, (C, H, W) in [−1, 1], as an image.

        A label map becomes a palette image with the most likely class of each pixel; an image with a range has its
        values, of 16 bits, 32 bits or floats. Raises GanzooError if no image file holds this domain's images.
        """
        if self.classes:
            return palette_image(argmax_classes(tensor))
        if self.suffix == ".npy":
            values = f" and the range [{self.value_range[0]}, {self.value_range[1]}]" if self.value_range else ""
            raise GanzooError(
                f"no image file holds this domain's images of {len(tensor)} channels{values}; translate tensors in "
                "Python, or use the command line, which writes .npy files"
            )
        pixels = self.array(tensor)
        return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)

    def array(self, tensor: Tensor) -> np.ndarray:
        """Return a network's output, (C, H, W) in [−1, 1], as (H, W, C) in the values of this domain's files.

        A label map has one channel, the classes.
        """
        if self.classes:
            return argmax_classes(tensor)[:, :, None]
        return to_uint8(tensor) if self.value_range is None else from_scale(tensor, self.value_range)
