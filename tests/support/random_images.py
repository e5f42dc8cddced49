"""Images of noise, and files of them, for the tests of reading and writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def save(path: Path, pixels: Any = None, **options: Any) -> Path:
    """Write an image, a black one where no pixels are given; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.zeros((4, 6, 3), np.uint8) if pixels is None else pixels)
    image.save(path, **options)
    return path


def noise(*shape: int) -> np.ndarray:
    """Return uint8 of a shape, the same each time."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
