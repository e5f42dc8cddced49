"""The data set ``folders``: two folders of pictures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Dataset, Sample, Split
from ganzoo_datasets.files import (
    DOMAINS,
    Channels,
    Domain,
    Entries,
    Plane,
    channels_of,
    entries_in,
    hold_out_validation,
    read_sample,
    with_planes,
)
from ganzoo_datasets.split import Share

PREFIXES: dict[Split, str] = {"train": "train", "validation": "val", "test": "test"}
CONVENTIONS: dict[Plane, str] = {"mask": "_masks", "labels": "_labels"}
HINT = "folders looks for trainA and trainB below root, and for testA testB valA valB if they are there"


class Folders(Dataset):
    """Two folders of pictures, searched with all folders below them; masks and label maps may lie beside.

    Either ``root`` holds ``trainA trainB`` and, if there are any, ``testA testB valA valB``; or ``A`` and
    ``B`` (and ``test_A``, ``test_B``) are any folders. The mask of ``trainA/x/y.jpg`` is
    ``trainA_masks/x/y.png``: same folder, same stem, same size, for every picture.

    Args:
        root: the folder that holds ``trainA`` and the others.
        A: a folder of training pictures, instead of ``root``.
        B: the same of the other domain.
        test_A: test pictures of A, beside ``A``.
        test_B: test pictures of B, beside ``B``.
        masks: what is appended to a picture folder's path to give that of its masks, for both domains or
            for each: ``{A: _masks_pseudo, B: _masks}``; ``/../masks`` is the folder ``masks`` next to it.
            Domains left out of a mapping have none. By default ``_masks``, where such a folder is there.
        labels: the same for label maps; by default ``_labels``, where such a folder is there.
        channels: 1 or 3, or any number for pictures in ``.npy`` files; 3 where it is not given.
        validation: the share of the training pictures held out for validation, in a domain without a folder
            for it.
    """

    def __init__(
        self,
        *,
        root: Path | None = None,
        A: Path | None = None,
        B: Path | None = None,
        test_A: Path | None = None,
        test_B: Path | None = None,
        masks: str | dict[Domain, str] | None = None,
        labels: str | dict[Domain, str] | None = None,
        channels: Channels | None = None,
        validation: Share = 0.1,
    ) -> None:
        self.channels = channels_of(channels)
        self.entries: Entries = {(split, domain): [] for split in PREFIXES for domain in DOMAINS}
        planes: dict[Plane, str | dict[Domain, str] | None] = {"mask": masks, "labels": labels}
        hint = "check the path" if root is None else HINT
        for key, folder in _places(root, {"A": A, "B": B}, {"A": test_A, "B": test_B}).items():
            entries = entries_in(folder, hint)
            for plane, option in planes.items():
                beside = _beside(folder, key[1], option, CONVENTIONS[plane])
                if beside:
                    entries = with_planes(entries, folder, plane, beside)
            self.entries[key] = entries
        hold_out_validation(self.entries, validation)

    def count(self, split: Split, domain: str) -> int:
        """Return how many pictures there are."""
        return len(self.entries[split, domain])

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one picture with its mask and labels."""
        return read_sample(self.entries[split, domain][index], self.channels[domain])


def _places(
    root: Path | None, train: Mapping[Domain, Path | None], test: Mapping[Domain, Path | None]
) -> dict[tuple[Split, Domain], Path]:
    """Return the folder of each split and domain; those for training whether they are there or not."""
    places: dict[tuple[Split, Domain], Path] = {}
    if root is None:
        for domain in DOMAINS:
            folder, held = train[domain], test[domain]
            if folder is None:
                raise GanzooError(
                    f"folders: the option {domain} is missing; give root, which holds trainA and trainB, "
                    "or both A and B"
                )
            places["train", domain] = Path(folder)
            if held is not None:
                places["test", domain] = Path(held)
        return places
    if any([*train.values(), *test.values()]):
        raise GanzooError("folders: root and A, B, test_A, test_B exclude one another; give root or the others")
    for split, prefix in PREFIXES.items():
        for domain in DOMAINS:
            folder = Path(root) / f"{prefix}{domain}"
            if split == "train" or folder.exists():
                places[split, domain] = folder
    return places


def _beside(folder: Path, domain: Domain, option: str | Mapping[Domain, str] | None, convention: str) -> Path | None:
    """Return the folder of a picture folder's masks or label maps, or None when it shall have none."""
    if option is None:
        usual = Path(f"{folder}{convention}")
        return usual if usual.is_dir() else None
    suffix = option if isinstance(option, str) else option.get(domain)
    return None if suffix is None else Path(f"{folder}{suffix}")
