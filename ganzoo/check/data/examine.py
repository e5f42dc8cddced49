"""Read all images of a data check in threads, and collect all that is wrong with them."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ganzoo.check.data.between_images import check_classes, find_duplicates, find_unbalanced, partners_of_other_size
from ganzoo.check.data.facts import Reading
from ganzoo.check.data.findings import KINDS, Finding
from ganzoo.check.data.groups import Item, Source
from ganzoo.check.data.within_groups import check_group


@dataclass(frozen=True)
class Examination:
    """What a data check read and found.

    Args:
        source: what was checked.
        readings: for each group what was read of its images, in order.
        findings: all that was found, in the order of ``KINDS``.
        duplicates: the groups of near-duplicates, each image as (group, image), both indices.
    """

    source: Source
    readings: Sequence[Sequence[Reading]]
    findings: Sequence[Finding]
    duplicates: Sequence[Sequence[tuple[int, int]]]


def examine(
    source: Source, progress: Callable[[int], None] = lambda done: None, ignored: Collection[str] = ()
) -> Examination:
    """Read every image, mask and label map of a source once, and return all that was found.

    Args:
        source: what to check.
        progress: called with the number of images that were read.
        ignored: kinds of findings that are left out.
    """
    readings = _read_all(source, progress)
    duplicates, findings = find_duplicates(source, readings)
    findings += source.findings
    for group, read in zip(source.groups, readings, strict=True):
        findings += check_group(source, group, read)
    findings += partners_of_other_size(source, readings)
    findings += check_classes(source.groups, readings)
    findings += find_unbalanced(source.groups)
    order = list(KINDS)
    findings.sort(key=lambda one: order.index(one.kind))
    # a file that shows a pair is read for both domains
    distinct = {(one.kind, one.files, one.detail): one for one in reversed(findings) if one.kind not in ignored}
    return Examination(source, readings, list(reversed(distinct.values())), duplicates)


def _read_all(source: Source, progress: Callable[[int], None]) -> list[list[Reading]]:
    def read(item: Item) -> Reading:
        return item.read()

    items = [item for group in source.groups for item in group.items]
    results: list[Reading] = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for reading in pool.map(read, items):
            results.append(reading)
            progress(len(results))
    remaining: Iterator[Reading] = iter(results)
    return [[next(remaining) for _ in group.items] for group in source.groups]
