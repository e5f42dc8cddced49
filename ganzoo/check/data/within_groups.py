"""Find what is wrong with the images of one group, from what was read of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

import numpy as np

from ganzoo.check.data.facts import Facts, Reading
from ganzoo.check.data.findings import Finding
from ganzoo.check.data.groups import Group, Source
from ganzoo.check.data.near_duplicates import is_flat
from ganzoo.data.label_maps import FAINTEST_MASK
from ganzoo.data.survey import describe_values

RARE = 0.1
"""A mode that at most this share of a group's images have is remarked."""
SMALL = 0.5
"""An image is small if its shorter side is below this share of the median of its group's."""


def check_group(source: Source, group: Group, readings: Sequence[Reading]) -> Iterator[Finding]:
    """Yield all findings about the images of a group, each by itself or compared with the group's others."""
    names = [reading.name or item.name for item, reading in zip(group.items, readings, strict=True)]
    for reading in readings:
        for name, error in reading.errors:
            yield Finding("unreadable", group.title, (name,), error)
    for name, reading in zip(names, readings, strict=True):
        yield from _check_planes(group.title, name, reading)
    images = {name: one.image for name, one in zip(names, readings, strict=True) if one.image}
    if images:
        yield from _check_sizes(source, group.title, images)
        yield from _check_values(group.title, images)
        yield from _check_modes(group.title, images)


def _check_planes(title: str, name: str, reading: Reading) -> Iterator[Finding]:
    """Yield findings about the mask and label map of an image."""
    for what, plane in (("mask", reading.mask), ("label map", reading.labels)):
        if plane and reading.image and plane.size != reading.image.size:
            yield Finding(
                "size", title, (name,), f"the image has {size_text(reading.image.size)} pixels, its {what} "
                f"{size_text(plane.size)}"
            )  # fmt: skip
    if reading.mask and reading.mask.values[-1] < FAINTEST_MASK:
        yield Finding(
            "empty-mask", title, (name,), f"the largest value of its mask is {reading.mask.values[-1]} of 255"
        )


def _check_sizes(source: Source, title: str, images: dict[str, Facts]) -> Iterator[Finding]:
    shorter = {name: min(one.size) for name, one in images.items()}
    least = source.side or SMALL * median(shorter.values())
    small = tuple(name for name, side in shorter.items() if side < least)
    if small:
        than = f"the side that a recipe scales them to, {least}" if source.side else f"half of the median, {least:g}"
        yield Finding("small", title, small, f"shorter side {min(shorter.values())} pixels, below {than}")
    if source.crop:
        height, width = source.crop
        for name, one in images.items():
            if one.size[0] < width or one.size[1] < height:
                crop = f"smaller than the crop of images.fit: crop, {size_text((width, height))}"
                yield Finding("size", title, (name,), f"{size_text(one.size)} pixels, {crop}")
    if source.side_by_side:
        for name, one in images.items():
            if one.size[0] % 2:
                yield Finding("size", title, (name,), f"its width, {one.size[0]} pixels, is odd: it has no two halves")


def _check_values(title: str, images: dict[str, Facts]) -> Iterator[Finding]:
    flat = is_flat(np.stack([one.copy for one in images.values()]))
    for name, is_one_colour in zip(images, flat.tolist(), strict=True):
        if is_one_colour:
            yield Finding("one-colour", title, (name,))
    rich = {name: one for (name, one), is_one_colour in zip(images.items(), flat, strict=True) if not is_one_colour}
    for depth in dict.fromkeys(one.depth for one in rich.values()):
        chosen = {name: one for name, one in rich.items() if one.depth == depth}
        low, high = min(one.low for one in chosen.values()), max(one.high for one in chosen.values())
        for detail in _describe_range(depth, low, high):
            yield Finding("range", title, tuple(chosen), detail)


def _describe_range(depth: str, low: float, high: float) -> Iterator[str]:
    if depth == "8-bit":
        if high - low < 128:
            yield f"the values of 8 bits go from {low:g} to {high:g}, of 0 … 255"
        return
    integers = depth != "float"
    if low < 0 or (not integers and high > 1):
        ends = (round(low), round(high)) if integers else (float(f"{low:.4g}"), float(f"{high:.4g}"))
        yield f"the values go from {ends[0]} to {ends[1]}; set data.range=[{ends[0]}, {ends[1]}]"
    else:
        yield from describe_values(low, high, integers)


def _check_modes(title: str, images: dict[str, Facts]) -> Iterator[Finding]:
    for mode, count in Counter(one.mode for one in images.values()).items():
        if count <= RARE * len(images):
            yield Finding(
                "mode", title, tuple(name for name, one in images.items() if one.mode == mode), f"mode {mode}"
            )
    for loss in dict.fromkeys(loss for one in images.values() for loss in one.losses):
        yield Finding(loss, title, tuple(name for name, one in images.items() if loss in one.losses))


def size_text(size: tuple[int, int]) -> str:
    """Return a width and height as text.

    >>> size_text((640, 480))
    '640×480'
    """
    return f"{size[0]}×{size[1]}"
