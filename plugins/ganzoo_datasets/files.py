"""Find and read images with their masks and label maps, for the data sets of this package."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from ganzoo.interfaces import (
    IMAGE_SUFFIXES,
    DomainIO,
    GanzooError,
    ImageFile,
    MissingResourceError,
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
from ganzoo_datasets.split import hold_out, select
from ganzoo_datasets.zip_files import zip_folder

Domain = Literal["A", "B"]
Plane = Literal["mask", "labels"]
Channels = dict[Domain, int]
DOMAINS: tuple[Domain, Domain] = ("A", "B")
ChannelsOption = int | Channels
RangeOption = ValueRange | dict[Domain, ValueRange]


@dataclass(frozen=True)
class Entry:
    """An image file and the files of its mask and label map. Each may be inside of another file.

    Args:
        path: the path of the image.
        name: the image's name, unique in its split and domain: usually its path relative to its folder.
        mask: the path of its mask; None if it has no mask.
        labels: the path of its label map; None if it has no label map.
        target: the path of the same scene in the other domain; None if it is not known.
        values: numbers for metrics.
    """

    path: ImageFile
    name: str
    mask: ImageFile | None = None
    labels: ImageFile | None = None
    target: ImageFile | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def files(self) -> list[ImageFile]:
        """The paths of image, mask, label map and target."""
        return [path for path in (self.path, self.mask, self.labels, self.target) if path]


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


def refuse_b(kind: str, options: Mapping[str, object]) -> None:
    """Raise GanzooError if an option has an entry for B; called if the data set ``kind`` has no images of B."""
    for name, option in options.items():
        if isinstance(option, Mapping) and "B" in option:
            raise GanzooError(f"{kind}: {name}.B is set, but there are no images of B; remove it, or set B")


def check_foreground(kind: str, classes: tuple[int, ...], entries: Entries) -> None:
    """Raise GanzooError if there is no class, one is not in 0 … 255, or no image of a data set has a mask."""
    if not classes or not all(0 <= one <= 255 for one in classes):
        raise GanzooError(
            f"{kind}: foreground is {list(classes)}; name one class or more, 0 … 255, or leave it out for all but 0"
        )
    if not any(entry.mask for images in entries.values() for entry in images):
        raise GanzooError(f"{kind}: foreground names classes of masks, but there are none; set masks, or remove it")


def notes_of(entries: Mapping[tuple[str, str], Sequence[Entry]], ranges: Mapping[str, ValueRange]) -> list[str]:
    """Return what the images of each domain lose when they are read, for ``Dataset.notes``."""
    lines = []
    for domain in DOMAINS:
        paths = [entry.path for (_, one), images in entries.items() if one == domain for entry in images]
        lines += describe_images(paths, f"data: images of {domain}", ranges.get(domain))
    return lines


def choose(option: str | Mapping[Domain, str] | None, domain: Domain) -> str | None:
    """Return what an option says for a domain: a text is for both; None if a mapping lacks the domain."""
    return option if isinstance(option, str) or option is None else option.get(domain)


def folder_exists(folder: Path) -> bool:
    """Return whether there is such a folder, or such a zip file or a folder in one."""
    inside = zip_folder(folder)
    return folder.exists() if inside is None else inside.exists


def skipped_in(folder: Path) -> list[str]:
    """Return sentences about the files in a folder, or in a zip file, that are not read."""
    inside = zip_folder(folder)
    return [one for one in [describe_skipped(folder)] if one] if inside is None else inside.skipped()


def entries_in(folder: Path, hint: str = "check the path") -> list[Entry]:
    """Return all images in a folder and its subfolders, sorted by name. The folder may be a zip file, or in one.

    Raises GanzooError if the folder is missing, cannot be read or has no images. The error for a missing folder
    contains ``hint``.
    """
    inside = zip_folder(folder)
    if folder.suffix.lower() == ".zip" and not folder.exists():
        raise MissingResourceError(f"{folder}: no such zip file; {hint}")
    if inside is None:
        entries = [Entry(Path(folder, name), name) for name in image_names(folder, hint)]
    else:
        entries = [Entry(member, name) for name, member in inside.images(hint).items()]
    if not entries:
        skipped = "; ".join(sentence.partition(": ")[2] for sentence in skipped_in(folder))
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


def limit_training(entries: Entries, limit: int) -> None:
    """Keep at most ``limit`` training images of each domain, which ``select`` selects; 0: all.

    ``entries`` changes in place.
    """
    for domain in DOMAINS:
        train = entries["train", domain]
        entries["train", domain] = [train[i] for i in select([entry.name for entry in train], limit)]


def read_sample(
    entry: Entry,
    channels: int,
    foreground: Sequence[int] | None = None,
    *,
    classes: bool = False,
    value_range: ValueRange | None = None,
    other: DomainIO | None = None,
    scaled_to: int = 0,
) -> Sample:
    """Read an image with its mask, label map and target, if it has them.

    ``foreground`` names the classes of a palette mask that are its foreground; by default all but 0. With ``classes``
    the image is a label map with ``channels`` classes. ``other`` reads the target. ``value_range``, ``scaled_to``: see
    ``read_image``; images with masks, labels or a target, label maps, and images with a range are read at their full
    size.
    """
    if scaled_to and not (classes or value_range or entry.mask or entry.labels or entry.target):
        return Sample(read_image(entry.path, channels, scaled_to=scaled_to), entry.name, values=entry.values)
    image = DomainIO(channels, channels if classes else 0, value_range).read(entry.path)
    return Sample(
        image,
        entry.name,
        mask=_plane(entry, image, entry.mask, partial(read_mask, foreground=foreground)),
        labels=_plane(entry, image, entry.labels, read_labels),
        target=_plane(entry, image, entry.target, other.read) if other else None,
        values=entry.values,
    )


def size_of(image: np.ndarray) -> str:
    """Return an (H, W, …) array's size as width×height.

    >>> size_of(np.zeros((2, 3, 1)))
    '3×2'
    """
    return f"{image.shape[1]}×{image.shape[0]}"


def _plane(
    entry: Entry, image: np.ndarray, path: ImageFile | None, read: Callable[[ImageFile], np.ndarray]
) -> np.ndarray | None:
    if path is None:
        return None
    plane = read(path)
    if plane.shape[:2] != image.shape[:2]:
        raise GanzooError(
            f"{path}: {size_of(plane)} pixels, but its image {entry.path} has {size_of(image)}; make them the same size"
        )
    return plane
