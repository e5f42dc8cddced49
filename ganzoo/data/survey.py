"""Describe what a folder's images lose when they are read: pages, transparency, depth; data sets give it as notes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from ganzoo.data.image_io import deep_values, is_deep_colour, open_file, open_image, page_numbers
from ganzoo.data.types import ImageFile, StoredFile
from ganzoo.data.value_range import ValueRange
from ganzoo.errors import GanzooError

MOST_FILES = 2000
"""Number of files that are opened; of more files, as many spread evenly."""
MOST_DEEP = 100
"""Number of images of more than 8 bits whose values are read."""


@dataclass
class _Survey:
    opened: int = 0
    paged: int = 0
    pages: int = 0
    transparent: int = 0
    deep_colour: int = 0
    deep: int = 0
    low: float = np.inf
    high: float = -np.inf
    kinds: set[np.dtype] = field(default_factory=set)


def describe_images(paths: Sequence[ImageFile], where: str, value_range: ValueRange | None = None) -> list[str]:
    """Return a sentence for each thing that some images have and that samples lack.

    These are further pages, transparency, bits beyond 8, and a range of values that is mostly empty. Files that cannot
    be read are left to the data set, which reports them.

    Args:
        paths: the image files; of more than ``MOST_FILES`` a part is opened.
        where: what the images are, to begin each sentence: ``data: A``.
        value_range: the range of their domain, if it has one.
    """
    chosen = _spread(paths, MOST_FILES)
    result = _Survey()
    for path in chosen:
        with suppress(GanzooError):
            _add(result, path, value_range is not None)
    of = "" if len(chosen) == len(paths) else f" of {len(chosen):,} opened files"
    lines = []
    if result.paged:
        lines.append(
            f"{where}: {result.paged}{of} have several pages or frames; {result.pages} pages are left out, only the "
            "first of each file is used"
        )
    if result.transparent:
        lines.append(f"{where}: {result.transparent}{of} have transparency; they are laid over white")
    if result.deep_colour:
        lines.append(f"{where}: {result.deep_colour}{of} have colours of 16 bits; only the upper 8 bits are used")
    if not result.deep:
        return lines
    integers = all(kind.kind in "ui" for kind in result.kinds)
    return lines + [f"{where}: {line}" for line in describe_values(result.low, result.high, integers, value_range)]


def _array(path: ImageFile) -> np.ndarray | None:
    """Return the array of a ``.npy`` file; None if it cannot be read, or is a pipe, which would be waited for."""
    with suppress(Exception):  # numpy raises ValueError, EOFError, TokenError and others for damaged files
        if isinstance(path, StoredFile):
            with open_file(path) as file:
                return np.lib.format.read_array(file, allow_pickle=False)
        return np.lib.format.open_memmap(path, mode="r") if path.is_file() else None
    return None


def _spread(paths: Sequence[ImageFile], most: int) -> list[ImageFile]:
    return [paths[i * len(paths) // min(most, len(paths))] for i in range(min(most, len(paths)))]


def _add(result: _Survey, path: ImageFile, has_range: bool) -> None:
    values = None
    if path.suffix.lower() == ".npy":
        if has_range and result.deep < MOST_DEEP:
            values = _array(path)
    else:
        with open_image(path) as image:
            pages = len(page_numbers(image))
            result.paged += pages > 1
            result.pages += pages - 1
            result.transparent += image.has_transparency_data
            result.deep_colour += is_deep_colour(image)
            if result.deep < MOST_DEEP:
                values = deep_values(image)
                if values is None and has_range:
                    values = np.asarray(image)
    result.opened += 1
    if values is not None and values.size and values.dtype.kind in "uif":
        result.deep += 1
        result.kinds.add(values.dtype)
        result.low, result.high = min(result.low, float(values.min())), max(result.high, float(values.max()))


def describe_values(
    lowest: float, highest: float, integers: bool, value_range: ValueRange | None = None
) -> Iterator[str]:
    """Yield a sentence if images of more than 8 bits use a part of the levels only, or have values out of their range.

    Args:
        lowest: the lowest of the images' values.
        highest: the highest.
        integers: whether all of them are integers.
        value_range: the range of their domain, if it has one.
    """
    if not np.isfinite([lowest, highest]).all():
        return
    low, high = (str(round(one)) if integers else f"{one:.4g}" for one in (lowest, highest))
    if value_range is not None:
        first, last = value_range
        if lowest < first or highest > last:
            yield f"values go from {low} to {high}; those outside of data.range=[{first}, {last}] are clipped"
        elif highest - lowest < (last - first) / 2:
            yield f"values go from {low} to {high}; most of data.range=[{first}, {last}] is empty"
        return
    bits = 16 if highest < 2**16 else 31 if highest < 2**31 else 32
    top = 2**bits - 1 if integers else 1
    if lowest < 0 or highest > top or highest - lowest >= top / 2:
        return  # values that cannot be read without a range are errors of their own
    levels = round(255 * highest / top) - round(255 * lowest / top) + 1
    whole = 2 ** max(1, round(highest)).bit_length() - 1  # of all values with as many bits
    advice = f"[0, {whole}]" if integers and highest - lowest >= whole / 2 else f"[{low}, {high}]"
    depth = "float" if not integers else "16-bit" if bits == 16 else "32-bit"
    values = f"values of these {depth} images go from {low} to {high}"
    yield f"{values}: {levels} of 256 levels are used; set data.range={advice}"
