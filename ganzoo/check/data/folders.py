"""Find the images, masks, label maps and pairs of folders, whatever is missing there; for ``ganzoo data check FOLDER``.

The folders are laid out as the data sets ``folders`` and ``paired`` expect them. Those end at the first missing file;
this finds all.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from ganzoo.check.data.facts import deep_pixels, read_files
from ganzoo.check.data.findings import Finding
from ganzoo.check.data.groups import Group, Item, Source, to_look_at
from ganzoo.data.image_files import IMAGE_SUFFIXES, describe_skipped, has_images, image_names
from ganzoo.data.image_io import read_image
from ganzoo.data.label_maps import read_labels, read_mask
from ganzoo.data.types import Split
from ganzoo.errors import GanzooError

PREFIXES: Mapping[Split, str] = {"train": "train", "validation": "val", "test": "test"}
PLANES = {"mask": "_masks", "labels": "_labels"}
"""What may stand beside an image folder → the ending of its folder's name: ``trainA_masks``."""


def find_images_in(folders: Sequence[Path], *, paired: bool = False, classes: int = 0) -> Source:
    """Return the images of one or two folders.

    Args:
        folders: a folder that contains ``trainA``, ``trainB`` and the others; or one that contains ``train`` and
            optionally ``val`` and ``test``; or any folder of images; or two of these, for A and B.
        paired: whether images of A and B with the same name are pairs, or each image of a single domain shows both.
        classes: the number of classes in label maps; 0: unknown.

    Raises GanzooError if a folder is missing or cannot be read, or if there is no image at all.
    """
    places = _places(folders)
    groups: list[Group] = []
    findings: list[Finding] = []
    short = [_short(folder) for folder in places.values()]
    titles = short if len({*short}) == len(short) else map(str, places.values())
    for title, ((split, domain), folder) in zip(titles, places.items(), strict=True):
        group, found = _group(title, split, domain, folder, classes)
        groups.append(group)
        findings += found
    if not any(group.items for group in groups):
        names = " and ".join(str(group.folder) for group in groups)
        raise GanzooError(f"{names}: no images in it or below; add some (looked for {' '.join(IMAGE_SUFFIXES)})")
    findings += [*_one_sided(folders[0], places), *_unread(folders, groups)]
    one_domain = len({group.domain for group in groups}) == 1
    pairs: list[tuple[tuple[int, int], tuple[int, int]]] = []
    if paired and not one_domain:
        pairs, missing = _pairs(groups)
        findings += missing
    return Source(" ".join(map(str, folders)), groups, findings, pairs, side_by_side=paired and one_domain)


def _places(folders: Sequence[Path]) -> dict[tuple[Split, str], Path]:
    """Return the folder of each split and domain."""
    if len(folders) > 1:
        return {("train", domain): folder for domain, folder in zip("AB", folders, strict=True)}
    root = folders[0]
    places: dict[tuple[Split, str], Path] = {
        (split, domain): root / f"{prefix}{domain}"
        for split, prefix in PREFIXES.items()
        for domain in "AB"
        if (root / f"{prefix}{domain}").is_dir()
    }
    if not places and (root / PREFIXES["train"]).is_dir():
        for split, prefix in PREFIXES.items():
            if (root / prefix).is_dir():
                inner = root / prefix / "images"
                places[split, "A"] = inner if inner.is_dir() else root / prefix
    return places or {("train", "A"): root}


def _one_sided(root: Path, places: Mapping[tuple[Split, str], Path]) -> list[Finding]:
    """Return the findings about splits for which ``root`` has a folder of one domain only: ``trainA`` alone."""
    named = {folder.name for folder in places.values() if folder.parent == root}
    return [
        Finding(
            "unbalanced", prefix + other, (str(root / (prefix + other)),), f"missing, and there is {prefix}{domain}"
        )
        for prefix in PREFIXES.values()
        for domain, other in ("AB", "BA")
        if prefix + domain in named and prefix + other not in named
    ]


def _short(folder: Path) -> str:
    """Return the name of an image folder for the report: ``train`` for ``train/images``."""
    return (folder.parent.name if folder.name == "images" else "") or folder.name or str(folder)


def _group(title: str, split: Split, domain: str, folder: Path, classes: int) -> tuple[Group, list[Finding]]:
    """Return the images of a folder, and the findings about masks and label maps that are missing or have no image."""
    names = image_names(folder)
    findings: list[Finding] = []
    planes: dict[str, dict[str, Path]] = {}
    beside = {}
    stems = {_stem(name) for name in names}
    for plane in PLANES:
        place = _beside(folder, plane)
        if place is None:
            continue
        beside[plane] = place
        planes[plane], same = _by_stem(place, title)
        findings += same
        findings += [
            Finding("no-mask" if plane == "mask" else "no-labels", title, (str(folder / name),), f"none in {place}")
            for name in names
            if _stem(name) not in planes[plane]
        ]
        findings += [
            Finding("no-image", title, (str(path),), f"none in {folder}")
            for stem, path in planes[plane].items()
            if stem not in stems
        ]
    items = []
    for name in names:
        mask, labels = (planes.get(plane, {}).get(_stem(name)) for plane in PLANES)
        path = folder / name
        read, show = partial(read_files, path, mask, labels), partial(_show, path, mask, labels)
        items.append(Item(str(path), read, show, [one for one in (path, mask, labels) if one]))
    return Group(title, split, domain, items, folder, list(beside.values()), classes), findings


def _beside(folder: Path, plane: str) -> Path | None:
    """Return the folder of the masks or label maps of an image folder; None if there is none.

    It is named after the image folder (``trainA_masks``; a longer ending such as ``_masks_pseudo`` counts if there is
    no other), or ``masks`` beside a folder ``images``.
    """
    usual = PLANES[plane]
    whole = folder.absolute()
    if folder.name == "images" and (folder.parent / usual[1:]).is_dir():
        return folder.parent / usual[1:]
    try:
        names = sorted(one.name for one in whole.parent.iterdir() if one.name.startswith(f"{whole.name}{usual}"))
    except OSError:
        return None
    found = [folder.parent / name if folder.name else whole.parent / name for name in names]
    return next((one for one in found if one.is_dir()), None)


def _by_stem(folder: Path, title: str) -> tuple[dict[str, Path], list[Finding]]:
    """Return the images of a folder by name without ending, and the findings about names that differ only there."""
    paths: dict[str, Path] = {}
    same = []
    for name in image_names(folder):
        first = paths.setdefault(_stem(name), folder / name)
        if first != folder / name:
            same.append(Finding("same-name", title, (str(first), str(folder / name))))
    return paths, same


def _pairs(groups: Sequence[Group]) -> tuple[list[tuple[tuple[int, int], tuple[int, int]]], list[Finding]]:
    """Return the pairs of all splits, and the findings about images without a partner."""
    pairs, findings = [], []
    for split in PREFIXES:
        sides: dict[str, dict[str, tuple[int, int]]] = {"A": {}, "B": {}}
        folders: dict[str, Path] = {}
        for number, group in enumerate(groups):
            if group.split != split or group.folder is None:
                continue
            folders[group.domain] = group.folder
            for index, item in enumerate(group.items):
                assert isinstance(item.file, Path)
                stem = _stem(item.file.relative_to(group.folder).as_posix())
                first = sides[group.domain].setdefault(stem, (number, index))
                if first != (number, index):
                    twice = (group.items[first[1]].name, item.name)
                    findings.append(Finding("same-name", group.title, twice))
        for domain, other in ("AB", "BA"):
            findings += [
                Finding("no-partner", groups[number].title, (groups[number].items[index].name,), f"none in {where}")
                for stem, (number, index) in sides[domain].items()
                if stem not in sides[other]
                for where in [folders.get(other, f"{split} {other}, which is missing")]
            ]
        pairs += [(place, sides["B"][stem]) for stem, place in sides["A"].items() if stem in sides["B"]]
    return pairs, findings


def _unread(folders: Sequence[Path], groups: Sequence[Group]) -> list[Finding]:
    """Return remarks about files that are no images, and about folders with images that are read by none."""
    read = [folder for group in groups for folder in (group.folder, *group.planes) if folder]
    remarks = [Finding("not-read", one.name, detail=line) for one in read if (line := describe_skipped(one))]
    if len(folders) == 1 and folders[0] not in read:
        for inner in sorted(one for one in folders[0].iterdir() if one.is_dir() and not one.name.startswith(".")):
            if not any(one.is_relative_to(inner) for one in read) and has_images(inner):
                remarks.append(Finding("not-read", inner.name, (str(inner),), "images of no split and domain"))
    return remarks


def _stem(name: str) -> str:
    return os.path.splitext(name)[0]


def _show(path: Path, mask: Path | None, labels: Path | None, side: int) -> list[Image.Image]:
    pixels = deep_pixels(path)
    if pixels is None:
        pixels = read_image(path, 3, scaled_to=side) if mask is None and labels is None else read_image(path, 3)
    planes: list[np.ndarray | None] = [
        read(file) if file else None for read, file in ((read_mask, mask), (read_labels, labels))
    ]
    return to_look_at(pixels, *planes)
