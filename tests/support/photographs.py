"""Synthetic photographs for tests of banks: smooth fields of colour with edges, and their label maps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo_art2real.bank import Scale
from ganzoo_art2real.bank_builder import Settings

SMALL = Settings(size=24, scales=(Scale(4, 4), Scale(6, 5)))


def scene(seed: int, height: int = 30, width: int = 36) -> np.ndarray:
    """Return (H, W, 3) uint8: waves, a disc of another colour, a little noise."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 16
    waves = [np.sin(rng.uniform(-2, 2) * y + rng.uniform(-2, 2) * x + rng.uniform(0, 6)) for _ in range(3)]
    field = np.stack(waves, axis=2) * rng.uniform(20, 70) + rng.uniform(60, 190, 3)
    inside = (y - rng.uniform(0, 2)) ** 2 + (x - rng.uniform(0, 2)) ** 2 < rng.uniform(0.1, 0.6)
    field[inside] = rng.uniform(0, 255, 3)
    return np.asarray((field + rng.normal(0, 4, field.shape)).clip(0, 255), np.uint8)


def write_photographs(folder: Path, count: int = 5, first: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        Image.fromarray(scene(i)).save(folder / f"{i:03}.png")
    return folder


def write_labels(folder: Path, count: int = 5) -> Path:
    """Write maps of the photographs' size: class 1 at the left, 3 in a corner, 7 at the first's right edge, 0 else."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        labels = np.zeros((30, 36), np.uint8)
        labels[:, : 9 + i] = 1
        labels[20:, 20 + i :] = 3
        if i == 0:
            labels[:6, 33:] = 7
        Image.fromarray(labels).save(folder / f"{i:03}.png")
    return folder
