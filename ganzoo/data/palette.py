"""Fixed colours for classes, so that a label map looks the same everywhere."""

from __future__ import annotations

import colorsys

import numpy as np
import torch
from PIL import Image
from torch import Tensor


def colour(label: int) -> tuple[int, int, int]:
    """Return a class's colour, 0 … 255 each: black for 0, then hues that stay far from one another.

    >>> colour(0), colour(1)
    ((0, 0, 0), (230, 57, 57))
    """
    if label == 0:
        return (0, 0, 0)
    hue = (label - 1) * 0.6180339887498949 % 1  # by the golden ratio each new hue falls into the largest gap
    strength, light = ((0.75, 0.9), (0.45, 0.7), (0.9, 0.55))[(label - 1) // 8 % 3]
    red, green, blue = colorsys.hsv_to_rgb(hue, strength, light)
    return (round(red * 255), round(green * 255), round(blue * 255))


PALETTE = [channel for label in range(256) for channel in colour(label)]


def classes_of(planes: Tensor) -> np.ndarray:
    """Return the class of each pixel, (H, W) uint8, of (K, H, W): the greatest of its channels."""
    return planes.argmax(0).to(torch.uint8).cpu().numpy()


def palette_picture(labels: np.ndarray) -> Image.Image:
    """Return a label map (H, W) uint8 as a palette picture: its values are the classes, its look their colours."""
    picture = Image.frombytes("P", (labels.shape[1], labels.shape[0]), np.ascontiguousarray(labels).tobytes())
    picture.putpalette(PALETTE)
    return picture


def coloured(planes: Tensor) -> Tensor:
    """Return one-hot or soft label maps (B, K, H, W) as pictures (B, 3, H, W) in [−1, 1]."""
    colours = torch.tensor([colour(label) for label in range(planes.shape[1])], dtype=torch.float32) / 127.5 - 1
    return colours[planes.argmax(1)].movedim(-1, 1)
