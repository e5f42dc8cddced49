"""Random images and files of them, for tests of reading and writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def save(path: Path, pixels: Any = None, **options: Any) -> Path:
    """Write an image, by default a black one; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.zeros((4, 6, 3), np.uint8) if pixels is None else pixels)
    image.save(path, **options)
    return path


def noise(*shape: int) -> np.ndarray:
    """Return random uint8 values of a shape, the same in each call."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
