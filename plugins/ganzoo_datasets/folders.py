"""The data set ``folders``: one or two folders of images, with optional masks and label maps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ganzoo.interfaces import GanzooError, Split
from ganzoo_datasets.entry_dataset import EntryDataset
from ganzoo_datasets.files import (
    DOMAINS,
    Channels,
    ChannelsOption,
    Domain,
    Entries,
    Plane,
    RangeOption,
    channels_of,
    check_foreground,
    classes_of,
    entries_in,
    folder_exists,
    hold_out_validation,
    limit_training,
    notes_of,
    ranges_of,
    refuse_b,
    skipped_in,
    with_planes,
)
from ganzoo_datasets.split import Limit, Share

PREFIXES: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}
CONVENTIONS: dict[Plane, str] = {"mask": "_masks", "labels": "_labels"}
HINT = (
    "put trainA and trainB there (testA testB valA valB are optional), set data.A and data.B, or give --demo to try a "
    "recipe without images"
)


class Folders(EntryDataset):
    """One or two folders or zip files of images, searched with their subfolders; masks and label maps are optional.

    Either ``root`` contains ``trainA`` and ``trainB``, and optionally ``testA``, ``testB``, ``valA`` and ``valB``; or
    ``A`` and ``B`` (and ``test_A``, ``test_B``) are any folders. ``A`` without ``B`` is data of one domain, for
    supervised methods. The mask of ``trainA/x/y.jpg`` is ``trainA_masks/x/y.png``: the subfolder and the name without
    suffix are the same. If a folder has masks, each of its images needs one, of the image's size. Masks are grey
    images, white in the foreground, or palette images of classes.

    Each folder may be a zip file, which is not unpacked, or a folder in one: ``root: horse2zebra.zip``, ``A:
    photos.zip/horses``. If all files of a zip file are in one folder, its name may be left out. The masks of
    ``horses.zip`` are in ``horses_masks.zip``.

    Args:
        root: the folder that contains ``trainA`` and the others.
        A: a folder of training images, instead of ``root``.
        B: the same for the other domain, if there is one. Setting ``A`` or ``B`` replaces an inherited ``root``.
        test_A: a folder of test images of A, with ``A``; optional.
        test_B: a folder of test images of B, with ``B``; optional.
        masks: the suffix of an image folder's path that gives the folder of its masks, for both domains or
            for each: ``{A: _masks_pseudo, B: _masks}``; ``/../masks`` is the folder ``masks`` next to it.
            Domains missing from a mapping have no masks. By default ``_masks``, if that folder exists.
        foreground: the classes, 0 … 255, that are the foreground in palette masks; by default all but 0.
            If it is set, every mask must be a palette image.
        labels: the same as ``masks`` for label maps; by default ``_labels``, if that folder exists.
        channels: 1 or 3, or any number for images in ``.npy`` files, for both domains or for each:
            ``{A: 1, B: 3}``; 3 by default.
        classes: ``{A: 19}``: the images of A are label maps, palette or grey, whose values are classes 0 … 18;
            networks see them one-hot, as 19 channels.
        range: for images of more than 8 bits, the lowest and the highest value, as ``[0, 4095]``, for both domains
            or for each: ``{A: [-1000, 2000], B: [0.0, 1.0]}``. Values outside are clipped; translations get the same
            range, as integers if both numbers are integers.
        validation: the share of the training images held out for validation, in a domain without a
            validation folder. Without test images, these measure the run.
        train_limit: the largest number of training images of a domain, chosen at random by name after validation images
            are held out, for tests of how many images a recipe needs; 0: all.
    """

    alternatives = (("root",), ("A", "B", "test_A", "test_B"))

    def __init__(
        self,
        *,
        root: Path | None = None,
        A: Path | None = None,
        B: Path | None = None,
        test_A: Path | None = None,
        test_B: Path | None = None,
        masks: str | dict[Domain, str] | None = None,
        foreground: tuple[int, ...] | None = None,
        labels: str | dict[Domain, str] | None = None,
        channels: ChannelsOption | None = None,
        classes: Channels | None = None,
        range: RangeOption | None = None,
        validation: Share = 0.1,
        train_limit: Limit = 0,
    ) -> None:
        self.classes = classes_of(classes, channels)
        self.channels = {**channels_of(channels), **self.classes}
        self.ranges = ranges_of(range, classes)
        self.foreground = foreground
        self.entries: Entries = {(split, domain): [] for split in PREFIXES for domain in DOMAINS}
        planes: dict[Plane, str | dict[Domain, str] | None] = {"mask": masks, "labels": labels}
        hint = "check the path, or give --demo to try a recipe without images" if root is None else _layout_hint(root)
        places = _places(root, {"A": A, "B": B}, {"A": test_A, "B": test_B})
        if ("train", "B") not in places:
            refuse_b("folders", {"masks": masks, "labels": labels, "channels": channels, "classes": classes})
            del self.channels["B"]
        self.places = places
        for key, folder in places.items():
            entries = entries_in(folder, hint)
            for plane, option in planes.items():
                beside = _beside(folder, key[1], option, CONVENTIONS[plane])
                if beside:
                    entries = with_planes(entries, folder, plane, beside)
            self.entries[key] = entries
        if foreground is not None:
            check_foreground("folders", foreground, self.entries)
        hold_out_validation(self.entries, validation)
        limit_training(self.entries, train_limit)

    def notes(self) -> list[str]:
        """Return what is left out: files that are no images, pages, transparency, depth."""
        skipped = dict.fromkeys(line for folder in self.places.values() for line in skipped_in(folder))
        return [*skipped, *notes_of(self.entries, self.ranges)]


def _layout_hint(root: Path) -> str:
    """Return what to do if ``root`` has no ``trainA``: where its training images seem to be, or else ``HINT``."""
    for pattern in ("{0}/train", "{0}/train{0}", "train/{0}", "{0}"):
        found = {domain: Path(root, pattern.format(domain)) for domain in DOMAINS}
        if all(map(folder_exists, found.values())):
            options = " ".join(f"data.{domain}={folder}" for domain, folder in found.items())
            return f"these folders look like training images: {options} uses them instead of data.root"
    return HINT


def _places(
    root: Path | None, train: Mapping[Domain, Path | None], test: Mapping[Domain, Path | None]
) -> dict[tuple[Split, Domain], Path]:
    """Return the folder of each split and domain, without those for validation and test that ``root`` does not contain.

    Raises GanzooError if options exclude each other, or if one is missing.
    """
    places: dict[tuple[Split, Domain], Path] = {}
    if root is None:
        for domain in DOMAINS:
            folder, held = train[domain], test[domain]
            if folder is None:
                if domain == "B" and held is None:
                    continue
                raise GanzooError(
                    f"folders: the option {domain} is missing; set root, a folder with trainA and trainB, "
                    "or both A and B, or A alone"
                )
            places["train", domain] = Path(folder)
            if held is not None:
                places["test", domain] = Path(held)
        return places
    if any([*train.values(), *test.values()]):
        raise GanzooError("folders: root excludes A, B, test_A and test_B; set root or the others")
    for split, prefix in PREFIXES.items():
        for domain in DOMAINS:
            folder = Path(root) / f"{prefix}{domain}"
            if split == "train" or folder_exists(folder):
                places[split, domain] = folder
    return places


def _beside(folder: Path, domain: Domain, option: str | Mapping[Domain, str] | None, convention: str) -> Path | None:
    """Return the folder of the masks or label maps of an image folder, or None if it has none."""
    if option is None:
        usual = _with_suffix(folder, convention)
        return usual if folder_exists(usual) else None
    suffix = option if isinstance(option, str) else option.get(domain)
    if suffix is None:
        return None
    return _with_suffix(folder if folder.name else folder.absolute(), suffix)


def _with_suffix(folder: Path, suffix: str) -> Path:
    """Return the path of a folder with a suffix; that of a zip file gets it before its ending."""
    ending = folder.suffix if folder.suffix.lower() == ".zip" and folder.is_file() else ""
    # normalized here, because the file system resolves ``images/..`` of a linked folder to the parent of its target
    return folder.parent / os.path.normpath(f"{folder.name.removesuffix(ending)}{suffix}{ending}")
