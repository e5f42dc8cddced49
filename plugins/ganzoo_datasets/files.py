"""Find and read image files with their masks and label maps; the data sets use it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from ganzoo.interfaces import IMAGE_SUFFIXES, DomainIO, GanzooError, Sample, find_images, read_labels, read_mask
from ganzoo_datasets.split import hold_out

Domain = Literal["A", "B"]
Plane = Literal["mask", "labels"]
Channels = dict[Domain, int]
DOMAINS: tuple[Domain, Domain] = ("A", "B")


@dataclass(frozen=True)
class Entry:
    """One image: its path, its name, and the paths of its mask and label map."""

    path: Path
    name: str
    mask: Path | None = None
    labels: Path | None = None

    @property
    def files(self) -> list[Path]:
        """The paths of image, mask and label map."""
        return [path for path in (self.path, self.mask, self.labels) if path]


Entries = dict[tuple[str, str], list[Entry]]
"""(split, domain) → images."""


def channels_of(option: Channels | None) -> dict[str, int]:
    """Return the channels of both domains, 3 by default. Raises GanzooError below 1."""
    for domain, number in (option or {}).items():
        if number < 1:
            raise GanzooError(f"channels.{domain} is {number}; give 1 or more")
    return {domain: (option or {}).get(domain, 3) for domain in DOMAINS}


def classes_of(option: Channels | None, channels: Channels | None) -> dict[str, int]:
    """Return the classes of domains that are label maps. Raises GanzooError for wrong numbers, or channels too."""
    for domain, number in (option or {}).items():
        if not 2 <= number <= 256:
            raise GanzooError(f"classes.{domain} is {number}; a label map has 2 … 256 classes")
        if domain in (channels or {}):
            raise GanzooError(
                f"channels.{domain} and classes.{domain} are both set; label maps have no channels: remove one"
            )
    return dict((option or {}).items())


def entries_in(folder: Path, hint: str = "check the path") -> list[Entry]:
    """Return the images below a folder. Raises GanzooError for a missing folder or one without images."""
    entries = [Entry(path, path.relative_to(folder).as_posix()) for path in find_images(folder, hint)]
    if not entries:
        raise GanzooError(f"{folder}: no images in it or below; add some (looked for {' '.join(IMAGE_SUFFIXES)})")
    return entries


def by_stem(folder: Path, hint: str = "check the path") -> dict[str, Entry]:
    """Return path without suffix → image. Raises GanzooError when two differ only by their suffix."""
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
    """Add to each image its mask or label map: the file with the same stem below another folder.

    Raises GanzooError, naming both places, for an image without one.
    """
    planes = by_stem(folder, f"it should hold the {plane} of each image in {images}")
    require_partners([entry for entry in entries if stem_of(entry.name) not in planes], plane, folder)
    paths = [planes[stem_of(entry.name)].path for entry in entries]
    if plane == "mask":
        return [replace(entry, mask=path) for entry, path in zip(entries, paths, strict=True)]
    return [replace(entry, labels=path) for entry, path in zip(entries, paths, strict=True)]


def require_partners(entries: Sequence[Entry], what: str, folder: Path) -> None:
    """Raise GanzooError when there are images that have no file of their stem in a folder."""
    if entries:
        first, rest = entries[0], len(entries) - 1
        more = f" (and {rest} more are missing)" if rest else ""
        raise GanzooError(
            f"{folder / stem_of(first.name)}.*: no {what} for the image {first.path}{more}; add it, or remove the image"
        )


def hold_out_validation(entries: Entries, share: float) -> None:
    """Move a share of the training images to validation, in each domain without validation images."""
    for domain in DOMAINS:
        if not entries.get(("validation", domain)):
            train = entries["train", domain]
            remaining, held = hold_out([entry.name for entry in train], share)
            entries["train", domain] = [train[i] for i in remaining]
            entries["validation", domain] = [train[i] for i in held]


def read_sample(
    entry: Entry, channels: int, foreground: Sequence[int] | None = None, *, classes: bool = False
) -> Sample:
    """Read an image and its planes. Raises GanzooError, naming both files, when their sizes differ.

    ``foreground`` names the classes of a palette mask that are its foreground; by default all but 0. With ``classes``
    the image is a label map with ``channels`` classes.
    """
    image = DomainIO(channels, channels if classes else 0).read(entry.path)
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
