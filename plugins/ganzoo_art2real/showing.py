"""What ``ganzoo bank show`` says and draws."""

from __future__ import annotations

import numpy as np
from PIL import Image

from ganzoo.interfaces import format_bytes
from ganzoo_art2real.bank import Bank, Scale

ACROSS, SIDE, GAP = 16, 48, 2


def summary(bank: Bank) -> str:
    """Return a few lines: what was built of what, its size on the disk, and how many patches each class has."""
    files = [(file, file.stat().st_size) for file in bank.folder.iterdir()]
    indexes = sum(many for file, many in files if file.suffix == ".faiss")
    total = sum(many for _, many in files)
    learnt = f", {format_bytes(indexes)} of it indexes for approximate search" if indexes else ""
    head = [
        f"{bank.folder}: {len(bank.photographs):,} photographs of {bank.size}×{bank.size}, key {bank.key[:12]}",
        f"{format_bytes(total)} on the disk{learnt}; "
        f"a class owns a window with {bank.settings['share']:.0%} of its pixels",
    ]
    rows = [["class", "", *(f"{scale}, every {scale.stride}" for scale in bank.scales)]]
    rows += [
        [str(label), bank.names[label], *(f"{bank.count(label, scale):,}" for scale in bank.scales)]
        for label in bank.classes
    ]
    left, name, *rest = (max(len(row[i]) for row in rows) for i in range(len(rows[0])))
    table = [
        "  ".join([row[0].ljust(left), row[1].ljust(name), *(f"{row[i + 2]:>{width}}" for i, width in enumerate(rest))])
        for row in rows
    ]
    return "\n".join([*head, *table])


def draw(bank: Bank) -> np.ndarray:
    """Return an image (H, W, 3) uint8: for each class and scale a row of patches, spread evenly over all it has."""
    rows = [draw_row(bank, label, scale) for label in bank.classes for scale in bank.scales]
    return np.concatenate([np.pad(row, ((0, GAP), (0, 0), (0, 0)), constant_values=255) for row in rows])


def draw_row(bank: Bank, label: int, scale: Scale) -> np.ndarray:
    """Return up to ``ACROSS`` patches, enlarged, side by side on white: (SIDE, ACROSS · (SIDE + GAP), 3) uint8."""
    row = np.full((SIDE, ACROSS * (SIDE + GAP), 3), 255, np.uint8)
    numbers = bank.numbers(label, scale)
    if not len(numbers):
        return row
    shown = numbers[np.unique(np.linspace(0, len(numbers) - 1, ACROSS).round().astype(int))]
    pixels = ((bank.patches(scale, shown) + 1) * 127.5).round().byte().numpy()
    for place, patch in enumerate(pixels.reshape(-1, 3, scale.patch, scale.patch).transpose(0, 2, 3, 1)):
        left = place * (SIDE + GAP)
        large = Image.fromarray(np.ascontiguousarray(patch)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
        row[:, left : left + SIDE] = np.asarray(large)
    return row
