"""Find what is wrong between images: near-duplicates, partners, classes, numbers of images."""

from __future__ import annotations

import filecmp
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import numpy as np

from ganzoo.check.data.facts import Reading
from ganzoo.check.data.findings import Finding
from ganzoo.check.data.groups import Group, Source
from ganzoo.check.data.near_duplicates import find_near_duplicates
from ganzoo.check.data.within_groups import size_text
from ganzoo.data.image_io import open_file
from ganzoo.data.types import SPLITS, ImageFile
from ganzoo.errors import GanzooError

UNBALANCED = 2.0
"""Domains are unbalanced if one has at least this many times as many images as the other."""
Readings = Sequence[Sequence[Reading]]


def find_duplicates(source: Source, readings: Readings) -> tuple[list[list[tuple[int, int]]], list[Finding]]:
    """Return the groups of near-duplicates, each image as (group, image), and a finding for each of them.

    Two partners that look alike, as an image and its noisy copy do, do not count.
    """
    places, copies = [], []
    for number, read in enumerate(readings):
        for index, reading in enumerate(read):
            if reading.image:
                places.append((number, index))
                copies.append(reading.image.copy)
    if not copies:
        return [], []
    pairs = {frozenset(pair) for pair in source.pairs}
    alike = [[places[one] for one in group] for group in find_near_duplicates(np.stack(copies))]
    found = [group for group in alike if frozenset(group) not in pairs]
    return found, [_duplicate(source.groups, readings, one) for one in found]


def _duplicate(groups: Sequence[Group], readings: Readings, places: Sequence[tuple[int, int]]) -> Finding:
    involved = [groups[number] for number in dict.fromkeys(number for number, _ in places)]
    items = [groups[number].items[index] for number, index in places]
    names = tuple(readings[number][index].name or groups[number].items[index].name for number, index in places)
    if len({group.split for group in involved}) > 1:
        kind = "leak"
    elif len({group.domain for group in involved}) > 1:
        kind = "both-domains"
    else:
        kind = "repeated"
    files = list(dict.fromkeys(item.file for item in items if item.file))
    identical = len(files) == len(items) and all(_same_bytes(files[0], file) for file in files[1:])
    detail = "identical files" if identical else ""
    return Finding(kind, " and ".join(group.title for group in involved), names, detail)


def _same_bytes(first: ImageFile, second: ImageFile) -> bool:
    """Return whether two files are equal; False if one of them cannot be read any more."""
    with suppress(OSError, GanzooError):
        if isinstance(first, Path) and isinstance(second, Path):
            return filecmp.cmp(first, second, shallow=False)
        with open_file(first) as one, open_file(second) as other:
            return one.read() == other.read()
    return False


def partners_of_other_size(source: Source, readings: Readings) -> Iterator[Finding]:
    """Yield a finding for each pair of images that differ in size."""
    for (number, index), (other, partner) in source.pairs:
        first, second = readings[number][index].image, readings[other][partner].image
        if first and second and first.size != second.size:
            names = (source.groups[number].items[index].name, source.groups[other].items[partner].name)
            where = f"{source.groups[number].title} and {source.groups[other].title}"
            yield Finding("size", where, names, f"{size_text(first.size)} and {size_text(second.size)} pixels")


def used_classes(groups: Sequence[Group], readings: Readings) -> dict[str, dict[int, int]]:
    """Return domain → class → number of label maps that have it; domains without label maps are left out."""
    used: dict[str, dict[int, int]] = {}
    for group, read in zip(groups, readings, strict=True):
        for reading in read:
            for value in reading.labels.values if reading.labels else ():
                counts = used.setdefault(group.domain, {})
                counts[value] = counts.get(value, 0) + 1
    return {domain: dict(sorted(counts.items())) for domain, counts in used.items()}


def number_of_classes(values: Sequence[int]) -> int:
    """Return the number of classes that label maps seem to have, from the values in them, sorted.

    A gap of more values than are used below it separates the classes from marks such as 255 for unknown pixels.

    >>> number_of_classes([0, 1, 2, 4, 255]), number_of_classes([0, 255])
    (5, 1)
    """
    for count, (value, following) in enumerate(pairwise(values), 1):
        if following - value - 1 > count:
            return value + 1
    return values[-1] + 1


def check_classes(groups: Sequence[Group], readings: Readings) -> Iterator[Finding]:
    """Yield findings about classes that label maps should not have, and about those that no training map has."""
    for domain, counts in used_classes(groups, readings).items():
        chosen = [(group, read) for group, read in zip(groups, readings, strict=True) if group.domain == domain]
        classes = max(group.classes for group, _ in chosen) or number_of_classes(list(counts))
        for group, read in chosen:
            for item, reading in zip(group.items, read, strict=True):
                wrong = [value for value in (reading.labels.values if reading.labels else ()) if value >= classes]
                if wrong:
                    detail = f"its label map has {_listed(wrong)}, and there are the classes 0 … {classes - 1}"
                    yield Finding("unexpected-class", group.title, (reading.name or item.name,), detail)
        trained = [(group, read) for group, read in chosen if group.split == "train"] or chosen
        seen = {value for _, read in trained for one in read if one.labels for value in one.labels.values}
        unused = [value for value in range(classes) if value not in seen]
        if unused and seen:
            titles = " and ".join(group.title for group, _ in trained)
            yield Finding("unused-class", titles, detail=f"{titles}: {_listed(unused)} of 0 … {classes - 1}")


def find_unbalanced(groups: Sequence[Group]) -> Iterator[Finding]:
    """Yield a finding for each split whose domains differ much in their number of images."""
    for split in SPLITS:
        ordered = sorted((group for group in groups if group.split == split), key=lambda group: len(group.items))
        if len(ordered) > 1 and len(ordered[0].items) * UNBALANCED <= len(ordered[-1].items):
            small, large = ordered[0], ordered[-1]
            folder = (str(small.folder),) if small.folder else ()
            detail = f"{len(small.items):,} images, and {len(large.items):,} in {large.title}"
            yield Finding("unbalanced", small.title, folder, detail)


def _listed(values: Sequence[int]) -> str:
    text = ", ".join(map(str, values[:10])) + (", …" if len(values) > 10 else "")
    return f"class {text}" if len(values) == 1 else f"classes {text}"
