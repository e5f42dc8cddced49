"""Images, random draws, steps and folders of images for the tests of plugins."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.image_io import write_image
from ganzoo.data.types import Split
from ganzoo.randomness import Draws, keyed
from ganzoo.settings import Shape
from ganzoo.step import Step

CLASSES = 3
"""Number of classes in the label maps of ``write_images``."""
FOLDERS: Mapping[Split, str] = {"train": "train", "validation": "val", "test": "test"}
"""Split → how the names of its folders start."""


def make_images(count: int = 2, channels: int = 3, size: Shape = (24, 20), seed: int = 0) -> Tensor:
    """Return images of noise, float32 (B, C, H, W) in [−1, 1].

    Image k depends only on ``seed``, k and the shape, not on ``count``.

    Args:
        count: B, the number of images.
        channels: C.
        size: H and W, in pixels.
        seed: the seed of the noise.

    >>> make_images(count=3)[:2].equal(make_images(count=2))
    True
    """
    noise = [keyed(seed, "image", k).uniform(-1, 1, (channels, *size)).astype(np.float32) for k in range(count)]
    return torch.from_numpy(np.stack(noise))


def make_draws(count: int = 2, seed: int = 0) -> Draws:
    """Return the random draws of a batch of ``count`` samples; those of sample k depend only on ``seed`` and k.

    Draws are used up: call this again to get the same numbers again.

    >>> make_draws(3).normal(4)[:2].equal(make_draws(2).normal(4))
    True
    """
    return Draws([keyed(seed, "draws", k) for k in range(count)])


def make_step(
    tensors: Mapping[str, Tensor] | None = None, *, seed: int = 0, index: int = 0, training: bool = True
) -> Step:
    """Return a step with these tensors, and with keyed draws for each sample.

    Args:
        tensors: name → tensor (B, …); by default images of noise, ``real_A`` and ``real_B``.
        seed: the seed of the draws, and of the noise.
        index: the number of the step; draws depend on it.
        training: whether it is a training step.

    >>> make_step({"real_A": make_images(3)}).rng("noise").normal(4).shape
    torch.Size([3, 4])
    """
    if tensors is None:
        tensors = {"real_A": make_images(seed=seed), "real_B": make_images(seed=seed + 1)}
    count = max((len(tensor) for tensor in tensors.values()), default=1)
    return Step(dict(tensors), seed=seed, index=index, samples=range(count), training=training)


def write_images(
    folder: Path,
    *,
    train: int = 8,
    test: int = 4,
    validation: int = 0,
    size: Shape = (24, 20),
    seed: int = 0,
    masks: bool = False,
    labels: bool = False,
) -> Path:
    """Write PNG images into ``trainA``, ``trainB``, ``testA``, ``testB``; return ``folder``.

    The data set ``folders`` reads them. All file names differ between splits.

    Args:
        folder: the folder to create the others in.
        train: the number of training images of each domain.
        test: the number of test images of each domain.
        validation: the number of validation images of each domain, in ``valA`` and ``valB``.
        size: height and width in pixels.
        seed: the seed of the noise.
        masks: whether to write a mask for each image, into ``trainA_masks`` and so on: white in one half.
        labels: whether to write a label map for each image, into ``trainA_labels`` and so on: classes 0, 1 and 2.
    """
    height, width = size
    counts: dict[Split, int] = {"train": train, "validation": validation, "test": test}
    for split, count in counts.items():
        for domain in "AB":
            place = folder / f"{FOLDERS[split]}{domain}"
            for k in range(count):
                draws, name = keyed(seed, split, domain, k), f"{FOLDERS[split]}_{k:02}.png"
                write_image(draws.integers(0, 256, (height, width, 3), dtype=np.uint8), place / name)
                if masks:
                    half = np.zeros((height, width), np.uint8)
                    half[:, : width // 2] = 255
                    write_image(half if k % 2 else half[:, ::-1].copy(), place.with_name(f"{place.name}_masks") / name)
                if labels:
                    classes = np.arange(height * width, dtype=np.int64).reshape(height, width) + k
                    write_image((classes % CLASSES).astype(np.uint8), place.with_name(f"{place.name}_labels") / name)
    return folder
