"""Find and read image files with their masks and label maps, for ``folders``, ``lists`` and ``paired``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from ganzoo.interfaces import (
    IMAGE_SUFFIXES,
    DomainIO,
    GanzooError,
    Sample,
    ValueRange,
    check_range,
    describe_images,
    describe_skipped,
    image_names,
    read_image,
    read_labels,
    read_mask,
)
from ganzoo_datasets.split import hold_out

Domain = Literal["A", "B"]
Plane = Literal["mask", "labels"]
Channels = dict[Domain, int]
DOMAINS: tuple[Domain, Domain] = ("A", "B")
ChannelsOption = int | Channels
RangeOption = ValueRange | dict[Domain, ValueRange]


@dataclass(frozen=True)
class Entry:
    """An image file and the files of its mask and label map.

    Args:
        path: the path of the image.
        name: the image's name, unique in its split and domain: usually its path relative to its folder.
        mask: the path of its mask; None if it has no mask.
        labels: the path of its label map; None if it has no label map.
    """

    path: Path
    name: str
    mask: Path | None = None
    labels: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The paths of image, mask and label map."""
        return [path for path in (self.path, self.mask, self.labels) if path]


Entries = dict[tuple[str, str], list[Entry]]
"""Maps (split, domain) to the images of this split and domain."""


def channels_of(option: ChannelsOption | None) -> dict[str, int]:
    """Return the number of channels of each domain, 3 by default; a single number is for both.

    Raises GanzooError for a number below 1.
    """
    chosen = dict.fromkeys(DOMAINS, option) if isinstance(option, int) else (option or {})
    for domain, number in chosen.items():
        if number < 1:
            where = "channels" if isinstance(option, int) else f"channels.{domain}"
            raise GanzooError(f"{where} is {number}; give 1 or more")
    return {domain: chosen.get(domain, 3) for domain in DOMAINS}


def classes_of(option: Channels | None, channels: ChannelsOption | None) -> dict[str, int]:
    """Return the number of classes of each domain whose images are label maps.

    Args:
        option: the option ``classes``: domain → number of classes.
        channels: the option ``channels``, for the check that no domain is in both.

    Raises GanzooError for a number of classes outside 2 … 256, and for a domain that is in both options.
    """
    for domain, number in (option or {}).items():
        if not 2 <= number <= 256:
            raise GanzooError(f"classes.{domain} is {number}; a label map has 2 … 256 classes")
        if isinstance(channels, dict) and domain in channels:
            raise GanzooError(
                f"channels.{domain} and classes.{domain} are both set; label maps have no channels: remove one"
            )
    return dict((option or {}).items())


def ranges_of(option: RangeOption | None, classes: Channels | None) -> dict[str, ValueRange]:
    """Return domain → range of values, from the option ``range``; one range is for each domain without label maps.

    Raises GanzooError for a wrong range, and for a domain that is also in ``classes``.
    """
    if option is None:
        return {}
    chosen = option if isinstance(option, dict) else {one: option for one in DOMAINS if one not in (classes or {})}
    for domain, value_range in chosen.items():
        if domain in (classes or {}):
            raise GanzooError(f"range.{domain} and classes.{domain} are both set; label maps have no range: remove one")
        check_range(value_range, f"range.{domain}" if isinstance(option, dict) else "range")
    return dict(chosen.items())


def notes_of(entries: Mapping[tuple[str, str], Sequence[Entry]], ranges: Mapping[str, ValueRange]) -> list[str]:
    """Return what the images of each domain lose when they are read, for ``Dataset.notes``."""
    lines = []
    for domain in DOMAINS:
        paths = [entry.path for (_, one), images in entries.items() if one == domain for entry in images]
        lines += describe_images(paths, f"data: images of {domain}", ranges.get(domain))
    return lines


def entries_in(folder: Path, hint: str = "check the path") -> list[Entry]:
    """Return all images in a folder and its subfolders, sorted by name.

    Raises GanzooError if the folder is missing, cannot be read or has no images. The error for a missing folder
    contains ``hint``.
    """
    entries = [Entry(Path(folder, name), name) for name in image_names(folder, hint)]
    if not entries:
        skipped = describe_skipped(folder).partition(": ")[2]
        raise GanzooError(
            f"{folder}: no images in it or below; add some (looked for {' '.join(IMAGE_SUFFIXES)}"
            f"{f'; {skipped}' if skipped else ''})"
        )
    return entries


def by_stem(folder: Path, hint: str = "check the path") -> dict[str, Entry]:
    """Return all images in a folder and its subfolders, by their name without suffix.

    Raises GanzooError if two names differ only in their suffix, and in the cases of ``entries_in``.
    """
    entries: dict[str, Entry] = {}
    for entry in entries_in(folder, hint):
        stem = stem_of(entry.name)
        if stem in entries:
            raise GanzooError(
                f"{entry.path}: {entries[stem].path.name} has the same name without suffix; remove one of them"
            )
        entries[stem] = entry
    return entries


def stem_of(name: str) -> str:
    """Return a relative path without its suffix.

    >>> stem_of("a/b.c.png")
    'a/b.c'
    """
    return os.path.splitext(name)[0]


def with_planes(entries: Sequence[Entry], images: Path, plane: Plane, folder: Path) -> list[Entry]:
    """Return images with the paths of their masks or label maps added.

    These are the files in ``folder`` and its subfolders that have the same relative path, without suffix, as the
    images.

    Args:
        entries: the images.
        images: the folder of the images, for error messages.
        plane: ``mask`` or ``labels``.
        folder: the folder of the masks or label maps; it may have more files than needed.

    Raises GanzooError if an image has no such file, and in the cases of ``by_stem``.
    """
    planes = by_stem(folder, f"it should hold the {plane} of each image in {images}")
    partners = [planes.get(stem_of(entry.name)) for entry in entries]
    require_partners([entry for entry, one in zip(entries, partners, strict=True) if one is None], plane, folder)
    paths = [one.path for one in partners if one]
    if plane == "mask":
        return [replace(entry, mask=path) for entry, path in zip(entries, paths, strict=True)]
    return [replace(entry, labels=path) for entry, path in zip(entries, paths, strict=True)]


def require_partners(entries: Sequence[Entry], what: str, folder: Path) -> None:
    """Raise GanzooError, which names the first of some images without a partner; do nothing if there is no such image.

    Args:
        entries: the images that have no partner.
        what: what is missing: ``mask``, ``labels`` or ``partner``.
        folder: the folder that should contain it.
    """
    if entries:
        first, rest = entries[0], len(entries) - 1
        more = f" (and {rest} more are missing)" if rest else ""
        raise GanzooError(
            f"{folder / stem_of(first.name)}.*: no {what} for the image {first.path}{more}; add it, or remove the image"
        )


def hold_out_validation(entries: Entries, share: float) -> None:
    """Move a share of the training images to validation, in each domain that has no validation images.

    ``entries`` changes in place; ``hold_out`` chooses the images.
    """
    for domain in DOMAINS:
        if not entries.get(("validation", domain)):
            train = entries["train", domain]
            remaining, held = hold_out([entry.name for entry in train], share)
            entries["train", domain] = [train[i] for i in remaining]
            entries["validation", domain] = [train[i] for i in held]


def read_sample(
    entry: Entry,
    channels: int,
    foreground: Sequence[int] | None = None,
    *,
    classes: bool = False,
    value_range: ValueRange | None = None,
    scaled_to: int = 0,
) -> Sample:
    """Read an image with its mask and label map, if it has them.

    ``foreground`` names the classes of a palette mask that are its foreground; by default all but 0. With ``classes``
    the image is a label map with ``channels`` classes. ``value_range``, ``scaled_to``: see ``read_image``; images with
    masks or labels, label maps, and images with a range are read at their full size.
    """
    if scaled_to and not (classes or value_range or entry.mask or entry.labels):
        return Sample(read_image(entry.path, channels, scaled_to=scaled_to), entry.name)
    image = DomainIO(channels, channels if classes else 0, value_range).read(entry.path)
    return Sample(
        image,
        entry.name,
        mask=_plane(entry, image, entry.mask, partial(read_mask, foreground=foreground)),
        labels=_plane(entry, image, entry.labels, read_labels),
    )


def size_of(image: np.ndarray) -> str:
    """Return an (H, W, …) array's size as width×height.

    >>> size_of(np.zeros((2, 3, 1)))
    '3×2'
    """
    return f"{image.shape[1]}×{image.shape[0]}"


def _plane(entry: Entry, image: np.ndarray, path: Path | None, read: Callable[[Path], np.ndarray]) -> np.ndarray | None:
    if path is None:
        return None
    plane = read(path)
    if plane.shape != image.shape[:2]:
        raise GanzooError(
            f"{path}: {size_of(plane)} pixels, but its image {entry.path} has {size_of(image)}; make them the same size"
        )
    return plane
