"""Write small files in torchvision's formats of MNIST and USPS."""

from __future__ import annotations

import bz2
import struct
from pathlib import Path

import numpy as np


def digits(count: int, side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draws = np.random.default_rng(seed)
    return draws.integers(0, 256, (count, side, side), dtype=np.uint8), np.arange(count) % 10


def write_mnist(root: Path) -> np.ndarray:
    folder = root / "MNIST/raw"
    folder.mkdir(parents=True)
    images, labels = digits(30, 28, 0)
    for name, part in (("train", slice(20)), ("t10k", slice(20, 30))):
        shown, classes = images[part], labels[part].astype(np.uint8)
        head = struct.pack(">IIII", 0x803, len(shown), 28, 28)
        (folder / f"{name}-images-idx3-ubyte").write_bytes(head + shown.tobytes())
        (folder / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, len(shown)) + classes.tobytes())
    return images


def write_usps(root: Path) -> np.ndarray:
    root.mkdir(parents=True, exist_ok=True)
    images, labels = digits(30, 16, 1)
    for name, part in (("usps.bz2", slice(20)), ("usps.t.bz2", slice(20, 30))):
        text = ""
        for image, label in zip(images[part], labels[part], strict=True):
            pixels = (f"{i}:{value / 127.5 - 1 + 1e-4:.6f}" for i, value in enumerate(image.flatten(), 1))
            text += f"{label + 1} {' '.join(pixels)} \n"
        (root / name).write_bytes(bz2.compress(text.encode()))
    return images
