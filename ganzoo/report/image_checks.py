"""What the last sample grid itself shows of usual failures, measured on its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.report.samples import Places, places_of

COPY, CHANGE, CHANGED = 0.05, 0.3, 0.01
"""A translation counts as a copy where its mean difference, on [−1, 1], is at most the first, and no more than the
third, a share, of its pixels differs by more than the second in any channel: a small thing may have changed."""
ALIKE = 0.1
"""Share of the sources' difference from one another below which translations count as all alike."""
INVERTED = -0.5
"""Correlation of grey values below which light and dark count as swapped."""
ENOUGH = 128
"""Pixels of a side that are looked at."""


def image_hints(path: Path, step: int) -> list[str]:
    """Return a line for each failure that a grid shows, for each direction that it shows; none where it cannot be told.

    Whether it is a failure depends on the domains, which the pixels do not tell: the lines say what was measured.
    """
    try:
        with Image.open(path) as image:
            places = places_of(image)
            pixels = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return []
    found = []
    for source, target in ("AB", "BA"):
        real, fake = (cells(pixels, places, name) for name in (f"real_{source}", f"fake_{target}"))
        if real is not None and fake is not None and real.shape == fake.shape:
            said = (one(real, fake) for one in (copied, all_alike, inverted))
            found += [f"{source} to {target}, in the grid of step {step}: {one}" for one in said if one]
    return found


def cells(pixels: np.ndarray, places: Places | None, name: str) -> np.ndarray | None:
    """Return the images of a column of a grid (H, W, 3) uint8, as (N, H', W', 3) in [−1, 1].

    Of images larger than ``ENOUGH`` only every n-th row and column is read.
    """
    if places is None or name not in places.columns:
        return None
    left, width, height = places.columns[name]
    apart = -(-max(width, height) // ENOUGH)
    found = [pixels[top : top + height : apart, left : left + width : apart] for top in places.tops]
    return np.stack(found).astype(np.float64) / 127.5 - 1


def copied(real: np.ndarray, fake: np.ndarray) -> str:
    """Say so when translations are almost their sources; both (N, H, W, 3) in [−1, 1]."""
    difference = np.abs(fake - real)
    mean, share = float(difference.mean()), float((difference.max(3) > CHANGE).mean())
    if mean > COPY or share > CHANGED:
        return ""
    return (
        f"translations are almost copies: they differ from their sources by {mean:.3f} on [−1, 1] on average, and only "
        f"{share:.1%} of their pixels by more than {CHANGE}. If the domains differ by more, train on, or lower the "
        "weights of the cycle and identity terms."
    )


def all_alike(real: np.ndarray, fake: np.ndarray) -> str:
    """Say so when translations resemble one another far more than their sources do."""
    apart, sources = spread(fake), spread(real)
    if len(real) < 3 or apart >= ALIKE * sources:
        return ""
    return (
        f"translations look all alike: they are {apart:.3f} from their mean on [−1, 1], their sources "
        f"{sources:.3f}. The generator may have collapsed to one answer."
    )


def inverted(real: np.ndarray, fake: np.ndarray) -> str:
    """Say so when what is light in the sources is dark in the translations."""
    greys = (images.mean(3).reshape(len(images), -1) for images in (real, fake))
    one, other = (grey - grey.mean(1, keepdims=True) for grey in greys)
    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    told = norms > 1e-6
    if not told.any():
        return ""
    likeness = float(np.median((one * other).sum(1)[told] / norms[told]))
    if likeness > INVERTED:
        return ""
    return (
        f"light and dark are swapped: grey values of translations and sources correlate by {likeness:.2f} (median). If "
        "that is not what the domains ask for, begin anew with another train.seed or a heavier identity term."
    )


def spread(images: np.ndarray) -> float:
    """Return the mean absolute difference of the images from their mean image."""
    return float(np.abs(images - images.mean(0)).mean())
