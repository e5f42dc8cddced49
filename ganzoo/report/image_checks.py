"""Detect common failures in the last sample grid, from its pixels; the report shows them as hints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.report.samples import GridLayout, read_layout

COPY_MEAN, CHANGE, COPY_SHARE = 0.05, 0.3, 0.01
"""Translations count as copies if they differ from their sources by at most COPY_MEAN on average, on [−1, 1].

In addition, at most the share COPY_SHARE of their pixels may differ by more than CHANGE in any channel: images in which
only a small object has changed are no copies.
"""
COLLAPSE = 0.1
"""Translations count as collapsed if their ``spread`` is less than this share of the spread of their sources."""
INVERTED = -0.5
"""Largest correlation of the grey values of translations and sources at which light and dark count as swapped."""
MAX_SIDE = 128
"""Largest number of rows, and of columns, of an image that are read."""


def image_hints(path: Path, step: int) -> list[str]:
    """Return a hint for each sign of a failure in a grid: copied, collapsed or inverted translations in a direction.

    Whether it is a failure depends on the domains, which the pixels do not show: the hints say what was measured. The
    list is empty if there is no sign, or if the grid cannot be read or does not say where its columns are.

    Args:
        path: the grid's file.
        step: the step at which the grid was drawn, for the texts of the hints.
    """
    try:
        with Image.open(path) as image:
            layout = read_layout(image)
            pixels = np.asarray(image.convert("RGB"))
    except Exception:  # Pillow raises many classes for damaged files
        return []
    hints = []
    for target, source in layout.translations.items() if layout else ():
        real, fake = (column_images(pixels, layout, name) for name in (source, target))
        if real is not None and fake is not None and real.shape == fake.shape:
            texts = (check(real, fake) for check in (copied, collapsed, inverted))
            hints += [f"{source} to {target}, in the grid of step {step}: {text}" for text in texts if text]
    return hints


def column_images(pixels: np.ndarray, layout: GridLayout | None, name: str) -> np.ndarray | None:
    """Return the images of one column of a grid, (N, H', W', 3) in [−1, 1]; None if the grid has no such column.

    Of images larger than ``MAX_SIDE`` only every n-th row and column is read.

    Args:
        pixels: the grid, (H, W, 3) uint8.
        layout: the positions of the grid's images; None if they are not known.
        name: the column's name.
    """
    if layout is None or name not in layout.columns:
        return None
    left, width, height = layout.columns[name]
    stride = -(-max(width, height) // MAX_SIDE)
    images = [pixels[top : top + height : stride, left : left + width : stride] for top in layout.tops]
    return np.stack(images).astype(np.float64) / 127.5 - 1


def copied(real: np.ndarray, fake: np.ndarray) -> str:
    """Return a hint if translations are almost their sources, else an empty text.

    Args:
        real: the sources, (N, H, W, 3) in [−1, 1].
        fake: their translations, of the same shape and range.
    """
    difference = np.abs(fake - real)
    mean, share = float(difference.mean()), float((difference.max(3) > CHANGE).mean())
    if mean > COPY_MEAN or share > COPY_SHARE:
        return ""
    return (
        f"translations are almost copies: they differ from their sources by {mean:.3f} on [−1, 1] on average, and only "
        f"{share:.1%} of their pixels by more than {CHANGE}. If the domains differ by more, train longer, or lower the "
        "weights of the cycle and identity terms."
    )


def collapsed(real: np.ndarray, fake: np.ndarray) -> str:
    """Return a hint if translations resemble one another far more than their sources do, else an empty text.

    Fewer than 3 images give no hint. Arguments as for ``copied``.
    """
    translations, sources = spread(fake), spread(real)
    if len(real) < 3 or translations >= COLLAPSE * sources:
        return ""
    return (
        f"translations look all alike: their mean distance from their mean image is {translations:.3f} on [−1, 1], "
        f"that of their sources {sources:.3f}. The generator may have collapsed to one output."
    )


def inverted(real: np.ndarray, fake: np.ndarray) -> str:
    """Return a hint if what is light in the sources is dark in the translations, else an empty text.

    Arguments as for ``copied``.
    """
    greys = (images.mean(3).reshape(len(images), -1) for images in (real, fake))
    source, translation = (grey - grey.mean(1, keepdims=True) for grey in greys)
    norms = np.linalg.norm(source, axis=1) * np.linalg.norm(translation, axis=1)
    defined = norms > 1e-6
    if not defined.any():
        return ""
    correlation = float(np.median((source * translation).sum(1)[defined] / norms[defined]))
    if correlation > INVERTED:
        return ""
    return (
        f"light and dark are swapped: grey values of translations and sources correlate by {correlation:.2f} (median). "
        "If the domains do not require that, train again with another train.seed or a higher identity weight."
    )


def spread(images: np.ndarray) -> float:
    """Return the mean absolute difference of images, (N, H, W, C), from their mean image."""
    return float(np.abs(images - images.mean(0)).mean())
