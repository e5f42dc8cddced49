"""Show a data check as one page of text, or as plain data for JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from ganzoo.check.data.between_images import used_classes
from ganzoo.check.data.examine import Examination
from ganzoo.check.data.facts import Reading
from ganzoo.check.data.findings import DUPLICATES, KINDS, Finding
from ganzoo.check.data.groups import Group
from ganzoo.check.data.within_groups import size_text

MOST_LINES = 6
"""The number of findings of a kind that the page lists; ``--json`` has all."""
MOST_MODES = 3


def format_page(result: Examination) -> str:
    """Return the page: a table of the groups, the classes, then faults and remarks by kind."""
    images = sum(len(group.items) for group in result.source.groups)
    lines = [f"{result.source.name}: {images:,} images", "", *_table(result), *_class_lines(result)]
    for title, fault in (("faults", True), ("remarks", False)):
        chosen = [one for one in result.findings if KINDS[one.kind].fault == fault]
        if chosen or fault:
            lines += ["", f"{len(chosen):,} {title if len(chosen) != 1 else title[:-1]}"]
        for kind in dict.fromkeys(one.kind for one in chosen):
            lines += _list_kind(kind, [one for one in chosen if one.kind == kind])
    return "\n".join(lines)


def _list_kind(kind: str, findings: Sequence[Finding]) -> Iterator[str]:
    about = KINDS[kind]
    if kind in DUPLICATES:
        count = f"{len(findings):,} {'group' if len(findings) == 1 else 'groups'}"
    else:
        count = f"{sum(len(one.files) or 1 for one in findings):,}"
    yield f"  {about.heading}: {count}{f' ({about.advice})' if about.advice else ''}"
    for one in findings[:MOST_LINES]:
        yield f"    {one.line}"
    if len(findings) > MOST_LINES:
        yield f"    … and {len(findings) - MOST_LINES:,} more; --json lists all"


def _table(result: Examination) -> list[str]:
    rows = [("images of", "number", "sizes", "modes", "values", "masks", "label maps")]
    for group, readings in zip(result.source.groups, result.readings, strict=True):
        facts = summarize(group, readings)
        modes = [f"{count:,} {mode}" for mode, count in facts["modes"].items()]
        rows.append(
            (
                group.title,
                f"{facts['images']:,}",
                _sizes(facts),
                ", ".join(modes[:MOST_MODES]) + (", …" if len(modes) > MOST_MODES else ""),
                "; ".join(f"{low:g} … {high:g} ({depth})" for depth, (low, high) in facts["values"].items()),
                f"{facts['masks']:,}" if facts["masks"] else "",
                f"{facts['label_maps']:,}" if facts["label_maps"] else "",
            )
        )
    used = [column for column in zip(*rows, strict=True) if any(column[1:])]
    widths = [max(map(len, column)) for column in used]
    cells = zip(*used, strict=True)
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _sizes(facts: dict[str, Any]) -> str:
    sizes = facts["sizes"]
    if len(sizes) < 2:
        return next(iter(sizes), "")
    common, count = max(sizes.items(), key=lambda one: one[1])
    return f"{facts['smallest']} … {facts['largest']}, {count:,} of {common}"


def _class_lines(result: Examination) -> Iterator[str]:
    for domain, counts in used_classes(result.source.groups, result.readings).items():
        listed = ", ".join(f"{value} ({count:,})" for value, count in counts.items())
        yield ""
        yield f"classes in label maps of {domain} (number of maps): {listed}"


def summarize(group: Group, readings: Sequence[Reading]) -> dict[str, Any]:
    """Return numbers, sizes, modes, depths and ranges of values of a group, as plain data."""
    images = [one.image for one in readings if one.image]
    sizes = Counter(plane.size for one in readings if (plane := one.image or one.labels))
    by_area = sorted(sizes, key=lambda size: size[0] * size[1])
    values: dict[str, list[float]] = {}
    for one in images:
        low, high = values.get(one.depth, (one.low, one.high))
        values[one.depth] = [min(low, one.low), max(high, one.high)]
    return {
        "title": group.title,
        "split": group.split,
        "domain": group.domain,
        "folder": str(group.folder) if group.folder else None,
        "images": len(readings),
        "sizes": {size_text(size): count for size, count in sizes.most_common()},
        "smallest": size_text(by_area[0]) if by_area else "",
        "largest": size_text(by_area[-1]) if by_area else "",
        "modes": dict(Counter(one.mode for one in images).most_common()),
        "values": values,
        "masks": sum(one.mask is not None for one in readings),
        "label_maps": sum(one.labels is not None for one in readings),
        "mask_and_label_folders": [str(folder) for folder in group.planes],
    }


def as_plain(result: Examination) -> dict[str, Any]:
    """Return the whole result as plain data: ``checked``, ``groups``, ``classes``, ``faults`` and ``remarks``."""
    groups = zip(result.source.groups, result.readings, strict=True)
    return {
        "checked": result.source.name,
        "images": sum(len(group.items) for group in result.source.groups),
        "groups": [summarize(group, readings) for group, readings in groups],
        "classes": used_classes(result.source.groups, result.readings),
        "faults": [_plain(one) for one in result.findings if KINDS[one.kind].fault],
        "remarks": [_plain(one) for one in result.findings if not KINDS[one.kind].fault],
    }


def _plain(finding: Finding) -> dict[str, Any]:
    return {"kind": finding.kind, "where": finding.where, "files": list(finding.files), "detail": finding.detail}
