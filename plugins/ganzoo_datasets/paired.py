"""The data set ``paired``: images of A and B in pairs, side by side in one file or in two folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from ganzoo.interfaces import Dataset, DomainIO, GanzooError, ImageFile, Sample, Split, read_image
from ganzoo_datasets.files import (
    DOMAINS,
    Channels,
    ChannelsOption,
    Domain,
    Entry,
    RangeOption,
    by_stem,
    channels_of,
    classes_of,
    entries_in,
    folder_exists,
    notes_of,
    ranges_of,
    require_partners,
    size_of,
    skipped_in,
    stem_of,
)
from ganzoo_datasets.split import Limit, Share, hold_out, select

FOLDERS: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}


@dataclass(frozen=True)
class _Pair:
    A: Entry
    B: Entry


class Paired(Dataset):
    """Pairs of images that show the same scene in A and B; each image's partner is its ``Sample.target``.

    Args:
        root: the folder, or the zip file, that contains all images.
        layout: ``side_by_side``: ``root`` contains ``train`` and optionally ``val`` and ``test``; each image there has
            A in one half and B in the other. ``folders``: partners are in two folders, with the same name except for
            the suffix.
        A: the half that shows A; only for ``side_by_side``, where it is ``left`` by default.
        folders: the two folders below root; ``{split}`` is replaced by ``train``, ``val`` and ``test``; only
            for the layout ``folders``, where it is ``{A: "{split}A", B: "{split}B"}`` by default.
        channels: 1 or 3, or any number for images in ``.npy`` files, for both domains or for each:
            ``{A: 1, B: 3}``; 3 by default.
        classes: ``{A: 19}``: the images of A are label maps, palette or grey, whose values are classes 0 … 18;
            networks see them one-hot, as 19 channels. Only for ``folders``.
        range: for images of more than 8 bits, the lowest and the highest value; see ``folders``.
        validation: the share of the training pairs held out for validation, if there is no ``val``.
        train_limit: the largest number of training pairs, chosen at random by name after validation pairs are held out;
            0: all.
    """

    paired = True

    def __init__(
        self,
        *,
        root: Path,
        layout: Literal["side_by_side", "folders"] = "side_by_side",
        A: Literal["left", "right"] | None = None,
        folders: dict[Domain, str] | None = None,
        channels: ChannelsOption | None = None,
        classes: Channels | None = None,
        range: RangeOption | None = None,
        validation: Share = 0.1,
        train_limit: Limit = 0,
    ) -> None:
        self.classes = classes_of(classes, channels)
        self.channels = {**channels_of(channels), **self.classes}
        self.ranges = ranges_of(range, classes)
        self.halves = layout == "side_by_side"
        self.left = "B" if A == "right" else "A"
        if self.halves and folders is not None:
            raise GanzooError("paired: the layout side_by_side does not read folders; set layout: folders")
        if self.halves and self.classes:
            raise GanzooError(
                "paired: classes is set, but one file cannot contain a label map and an image; put them into "
                "separate folders and set layout: folders"
            )
        if not self.halves and A is not None:
            raise GanzooError(
                "paired: the layout folders has no halves; remove the option A, or set layout: side_by_side"
            )
        patterns = _patterns(folders)
        self.pairs: dict[str, list[_Pair]] = {}
        self.places: list[Path] = []
        for split, name in FOLDERS.items():
            if self.halves:
                read = [Path(root) / name]
                self.pairs[split] = _whole(read[0], optional=split != "train")
            else:
                places = {domain: Path(root) / patterns[domain].replace("{split}", name) for domain in DOMAINS}
                read = [*places.values()]
                self.pairs[split] = _matched(places, optional=split != "train")
            self.places += read if self.pairs[split] else []
        if not self.pairs["validation"]:
            train = self.pairs["train"]
            remaining, held = hold_out([stem_of(pair.A.name) for pair in train], validation)
            self.pairs["train"] = [train[i] for i in remaining]
            self.pairs["validation"] = [train[i] for i in held]
        train = self.pairs["train"]
        self.pairs["train"] = [train[i] for i in select([stem_of(pair.A.name) for pair in train], train_limit)]

    def count(self, split: Split, domain: str) -> int:
        """Return the number of a split's pairs, which is the same for both domains."""
        return len(self.pairs[split])

    def notes(self) -> list[str]:
        """Return what is left out: files that are not images, and of the images pages, transparency, depth."""
        skipped = dict.fromkeys(line for folder in self.places for line in skipped_in(folder))
        entries: dict[tuple[str, str], list[Entry]] = {}
        for split, pairs in self.pairs.items():
            entries |= {(split, "A"): [pair.A for pair in pairs], (split, "B"): [pair.B for pair in pairs]}
        return [*skipped, *notes_of(entries, self.ranges)]

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image and its partner.

        Raises GanzooError if a file cannot be read, if the partners' sizes differ, or if a file that shows both has an
        odd width.
        """
        pair = self.pairs[split][index]
        images = self._halves(pair.A.path) if self.halves else self._two(pair)
        own, other = (pair.A, "B") if domain == "A" else (pair.B, "A")
        return Sample(images[domain], own.name, target=images[other])

    def files_of(self, split: Split, domain: str, index: int) -> list[ImageFile]:
        """Return the path of a pair, or of both partners."""
        pair = self.pairs[split][index]
        return list(dict.fromkeys((pair.A.path, pair.B.path)))

    def _halves(self, path: ImageFile) -> dict[str, np.ndarray]:
        halves = {}
        for domain in DOMAINS:
            whole = read_image(path, self.channels[domain], self.ranges.get(domain))
            width = whole.shape[1]
            if width % 2:
                raise GanzooError(
                    f"{path}: its width, {width} pixels, is odd, so it has no two equal halves; "
                    "cut it, or use layout: folders"
                )
            half = whole[:, : width // 2] if domain == self.left else whole[:, width // 2 :]
            halves[str(domain)] = half.copy()
        return halves

    def _two(self, pair: _Pair) -> dict[str, np.ndarray]:
        forms = (
            DomainIO(self.channels[domain], self.classes.get(domain, 0), self.ranges.get(domain)) for domain in DOMAINS
        )
        first, second = (form.read(entry.path) for form, entry in zip(forms, (pair.A, pair.B), strict=True))
        if first.shape[:2] != second.shape[:2]:
            raise GanzooError(
                f"{pair.B.path}: {size_of(second)} pixels, but its partner {pair.A.path} has "
                f"{size_of(first)}; make them the same size"
            )
        return {"A": first, "B": second}


def _patterns(folders: Mapping[Domain, str] | None) -> dict[Domain, str]:
    patterns: dict[Domain, str] = {"A": "{split}A", "B": "{split}B", **(folders or {})}
    for domain, pattern in patterns.items():
        if "{split}" not in pattern:
            raise GanzooError(
                f"paired: folders.{domain} is {pattern!r}, so train and test would be the same images; "
                "write {split} where train, val and test differ"
            )
    return patterns


def _whole(folder: Path, *, optional: bool) -> list[_Pair]:
    if optional and not folder_exists(folder):
        return []
    hint = "paired needs train below root; val and test are optional"
    return [_Pair(entry, entry) for entry in entries_in(folder, hint)]


def _matched(places: Mapping[Domain, Path], *, optional: bool) -> list[_Pair]:
    if optional and not any(map(folder_exists, places.values())):
        return []
    hint = "paired needs both folders of a split"
    first, second = by_stem(places["A"], hint), by_stem(places["B"], hint)
    require_partners([one for stem, one in first.items() if stem not in second], "partner", places["B"])
    require_partners([one for stem, one in second.items() if stem not in first], "partner", places["A"])
    return [_Pair(one, second[stem]) for stem, one in first.items()]
