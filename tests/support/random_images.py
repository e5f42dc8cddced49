"""Random images and files of them, for tests of reading and writing."""

from __future__ import annotations

import struct
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


def save_unsigned(path: Path, pixels: np.ndarray) -> Path:
    """Write uint32 values (H, W) as a TIFF file; return its path.

    Pillow writes signed integers only: the tag SampleFormat is then changed from 2 to 1.
    """
    save(path, pixels.view(np.int32))
    signed, unsigned = (struct.pack("<HHIHH", 339, 3, 1, kind, 0) for kind in (2, 1))
    assert signed in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(signed, unsigned))
    return path


def noise(*shape: int) -> np.ndarray:
    """Return random uint8 values of a shape, the same in each call."""
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
