"""A bank's summary as text and as an image of its patches (``ganzoo bank show``)."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganzoo.interfaces import escape_controls, format_bytes
from ganzoo_art2real.bank import Bank, Scale

COLUMNS, SIDE, GAP = 16, 48, 2
"""Number of patches in a row of the image; side of a patch and gap between two patches, in pixels."""


def describe_bank(bank: Bank) -> str:
    """Return a text of several lines: photographs, settings, size on disk, and a table of the number of patches."""
    sizes = {file: file.stat().st_size for file in bank.folder.iterdir()}
    index_size = sum(size for file, size in sizes.items() if file.suffix == ".faiss")
    indexes = f", {format_bytes(index_size)} of it indexes for approximate search" if index_size else ""
    head = [
        f"{bank.folder}: {len(bank.photographs):,} photographs of {bank.shape[1]}×{bank.shape[0]}, key {bank.key[:12]}",
        f"{format_bytes(sum(sizes.values()))} on the disk{indexes}; "
        f"a window belongs to a class with {bank.settings['share']:.0%} of its pixels",
    ]
    rows = [["class", "", *(f"{scale}, every {scale.stride}" for scale in bank.scales)]]
    rows += [
        [str(label), bank.names[label], *(f"{bank.count(label, scale):,}" for scale in bank.scales)]
        for label in bank.classes
    ]
    label_width, name_width, *widths = (max(map(len, column)) for column in zip(*rows, strict=True))
    table = [
        "  ".join(
            [label.ljust(label_width), name.ljust(name_width)]
            + [count.rjust(width) for count, width in zip(counts, widths, strict=True)]
        )
        for label, name, *counts in rows
    ]
    return escape_controls("\n".join([*head, *table]))  # the bank may come from somebody else


def draw_patches(bank: Bank) -> np.ndarray:
    """Return an image (H, W, 3) uint8 of a bank: one row of evenly spaced patches for each class and scale."""
    rows = [draw_row(bank, label, scale) for label in bank.classes for scale in bank.scales]
    return np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for row in rows])


def draw_row(bank: Bank, label: int, scale: Scale) -> np.ndarray:
    """Return a white row (SIDE, COLUMNS · (SIDE + GAP), 3) uint8 with up to ``COLUMNS`` enlarged patches of a class."""
    row = np.full((SIDE, COLUMNS * (SIDE + GAP), 3), 255, np.uint8)
    numbers = bank.numbers(label, scale)
    if not len(numbers):
        return row
    shown = numbers[np.unique(np.linspace(0, len(numbers) - 1, COLUMNS).round().astype(int))]
    pixels = ((bank.patches(scale, shown) + 1) * 127.5).round().byte().numpy()
    for column, patch in enumerate(pixels.reshape(-1, 3, scale.patch, scale.patch).transpose(0, 2, 3, 1)):
        left = column * (SIDE + GAP)
        enlarged = Image.fromarray(np.ascontiguousarray(patch)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        row[:, left : left + SIDE] = np.asarray(enlarged)
    return row
