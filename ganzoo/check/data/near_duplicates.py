"""Find near-duplicates among many images by a perceptual hash, and confirm them on small copies of the images.

An image is compared by its copy of 32×32 pixels. The hash has 63 bits, the signs of the lowest frequencies of the
copy's grey values (a cosine transform) around their median. Images with similar hashes are near-duplicates if the
copies themselves, with equal mean and contrast, correlate.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

SIDE = 32
"""Height and width in pixels of the small copies."""
MOST_BITS = 8
"""The largest number of bits in which the hashes of near-duplicates differ.

Its tests recompress, rescale and brighten drawn and real images; most of these change fewer bits.
"""
CORRELATION = 0.98
"""The smallest correlation of near-duplicates' copies; the tests have different portraits in the same framing, too."""
FLAT = 1.0
"""An image whose copy has a smaller standard deviation, on the scale 0 … 255, in each channel is of one colour."""
_LOWEST = 8
_ENTRIES = 2**22


def small_copy(image: Image.Image) -> np.ndarray:
    """Return the small copy of an image of mode L or RGB: (32, 32, 3) uint8."""
    copy = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return np.asarray(copy.convert("RGB"))


def is_flat(copies: np.ndarray) -> np.ndarray:
    """Return for each small copy, (N, 32, 32, 3) uint8, whether its image is of one colour: (N,) bool."""
    return copies.reshape(len(copies), SIDE * SIDE, 3).std(axis=1).max(axis=1, initial=0) < FLAT


def perceptual_hashes(copies: np.ndarray) -> np.ndarray:
    """Return the hash of each small copy, (N, 32, 32, 3) uint8, as (N,) uint64; bit 63 is always 0."""
    places = np.arange(SIDE)
    waves = np.cos(np.pi * (2 * places + 1) * np.arange(_LOWEST)[:, None] / (2 * SIDE)).astype(np.float32)
    grey = copies.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)
    lowest = (waves @ grey @ waves.T).reshape(len(copies), _LOWEST**2)[:, 1:]  # without the mean
    bits = lowest > np.median(lowest, axis=1, keepdims=True)
    return np.packbits(np.pad(bits, ((0, 0), (1, 0))), axis=1).view(">u8")[:, 0].astype(np.uint64)


def count_bits(values: np.ndarray) -> np.ndarray:
    """Return the number of bits that are 1 in each value of a contiguous uint64 array, as uint8 of its shape."""
    if hasattr(np, "bitwise_count"):  # since numpy 2
        return np.bitwise_count(values)
    return count_bits_by_table(values)


def count_bits_by_table(values: np.ndarray) -> np.ndarray:
    """Do the same as ``count_bits`` with a table of all values of 16 bits."""
    table = np.array([number.bit_count() for number in range(2**16)], np.uint8)
    return table[values[..., None].view(np.uint16)].sum(axis=-1, dtype=np.uint8)


def find_near_duplicates(copies: np.ndarray) -> list[list[int]]:
    """Return the groups of near-duplicates among images, each sorted, in the order of their first images.

    An image is in the group of each of its near-duplicates, so the first and last of a long group may differ more.
    Images of one colour are not compared.

    Args:
        copies: the small copies of all images, (N, 32, 32, 3) uint8.
    """
    compared = np.flatnonzero(~is_flat(copies))
    labels = np.arange(len(compared))
    if len(compared):
        # identical copies are joined first: the comparison of thousands of them with each other would take long
        _, first, same = np.unique(
            copies[compared].reshape(len(compared), -1).view(f"V{SIDE * SIDE * 3}")[:, 0],
            return_index=True,
            return_inverse=True,
        )
        labels = first[same.reshape(-1)]
        distinct = np.sort(first)
        for one, other in _similar_pairs(copies[compared[distinct]]):
            labels = _join(labels, distinct[one], distinct[other])
    groups: dict[int, list[int]] = {}
    for index, label in zip(compared.tolist(), labels.tolist(), strict=True):
        groups.setdefault(label, []).append(index)
    return [group for group in groups.values() if len(group) > 1]


def _similar_pairs(copies: np.ndarray) -> Sequence[tuple[np.ndarray, np.ndarray]]:
    """Return pairs of near-duplicates in parts, each two arrays of indices."""
    hashes = perceptual_hashes(copies)
    rows = max(1, _ENTRIES // len(hashes))
    parts = []
    for start in range(0, len(hashes), rows):
        block = hashes[start : start + rows]
        similar = count_bits(block[:, None] ^ hashes[None, start:]) <= MOST_BITS
        np.fill_diagonal(similar, False)
        one, other = np.flatnonzero(similar.any(axis=1)), np.flatnonzero(similar.any(axis=0))
        if not len(one):
            continue
        correlation = _standardized(copies[start + one]) @ _standardized(copies[start + other]).T
        first, second = np.nonzero(similar[np.ix_(one, other)] & (correlation >= CORRELATION))
        parts.append((start + one[first], start + other[second]))
    return parts


def _standardized(copies: np.ndarray) -> np.ndarray:
    """Return copies as vectors (N, 3072) of mean 0 and length 1, so that their products are correlations."""
    vectors = copies.reshape(len(copies), -1).astype(np.float32)
    vectors -= vectors.mean(axis=1, keepdims=True)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _join(labels: np.ndarray, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return labels in which the two images of each pair, and all that had their labels, have the same label."""
    while True:
        first, second = labels[one], labels[other]
        differ = first != second
        if not differ.any():
            return labels
        low, high = np.minimum(first, second)[differ], np.maximum(first, second)[differ]
        lower = np.arange(len(labels))
        np.minimum.at(lower, high, low)
        while (lower[lower] != lower).any():
            lower = lower[lower]
        labels = lower[labels]
