"""Refuse images that do not fit the crop, or a batch, of ``images.fit: crop`` and ``none``; for the loader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ganzoo.data.types import Sample
from ganzoo.errors import GanzooError
from ganzoo.settings import Shape


def require_crop(name: str, shape: Sequence[int], wanted: Shape) -> None:
    """Raise GanzooError for an image, (H, W, …), that is smaller than the crop of ``fit: crop``."""
    if shape[0] < wanted[0] or shape[1] < wanted[1]:
        raise GanzooError(
            f"data: {name} is {_size(shape)}, smaller than the crop of images.fit: crop, {_size(wanted)}: remove it, "
            "set a smaller images.size, or images.fit=cover, which scales images"
        )


def require_one_size(samples: Iterable[Sample], what: str, remedy: str = "images.fit stretch, cover or crop") -> None:
    """Raise GanzooError if samples differ in size; ``what`` they are begins its text, and ``remedy`` ends it."""
    sizes = {sample.image.shape[:2]: f"{sample.name} is {_size(sample.image.shape)}" for sample in samples}
    if len(sizes) > 1:
        raise GanzooError(
            f"data: {what} have several sizes: {', '.join(list(sizes.values())[:2])}; {remedy} gives them one size"
        )


def _size(shape: Sequence[int]) -> str:
    return f"{shape[1]}×{shape[0]}"
