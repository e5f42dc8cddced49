"""The data set ``torchvision``: the digits MNIST, USPS and SVHN, which torchvision downloads."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from ganzoo.interfaces import MissingResourceError, cache_folder
from ganzoo_datasets.arrays import ArrayDataset, ArrayPart, DomainLimit, Grey
from ganzoo_datasets.files import Domain
from ganzoo_datasets.split import Limit, Share

Digits = Literal["MNIST", "USPS", "SVHN"]
FOLDER = "torchvision"
"""The folder of downloaded data sets in the cache."""


class Torchvision(ArrayDataset):
    """Digits that torchvision downloads, once, and compares with their checksums: MNIST, USPS, SVHN.

    MNIST: grey, 28 px, 60,000 training and 10,000 test images. USPS: grey, 16 px, 7,291 and 2,007. SVHN: street numbers
    in colour, 32 px, 73,257 and 26,032, whose digit is the one in the middle. Each image has its digit, 0 … 9.

    Args:
        A: the digits of A.
        B: the digits of B.
        root: the folder of the files, in torchvision's layout (``MNIST/raw``, ``usps.bz2``, ``train_32x32.mat``); by
            default ``torchvision`` in the cache folder.
        download: whether missing files are downloaded.
        label: the name under which metrics find the digit: ``label`` gives the tensors ``label_A`` and ``label_B``.
        grey: ``keep`` the single channel of grey images, or convert them to ``rgb``, as MNIST with SVHN needs.
        validation: the share of the training images that is held out for validation.
        train_limit: the largest number of training images, for both domains or for each: ``{A: 2000, B: 1800}``; they
            are chosen at random after validation images are held out. 0: all.
        draw: the number of the draw that chooses these images; another number chooses others.

    Raises MissingResourceError if files are missing and cannot be downloaded, or are damaged.
    """

    def __init__(
        self,
        *,
        A: Digits,
        B: Digits,
        root: Path | None = None,
        download: bool = True,
        label: str = "label",
        grey: Grey = "keep",
        validation: Share = 0.1,
        train_limit: DomainLimit = 0,
        draw: Limit = 0,
    ) -> None:
        folder = Path(root) if root else cache_folder() / FOLDER
        names: dict[Domain, Digits] = {"A": A, "B": B}
        loaded = {name: _load(name, folder, download) for name in dict.fromkeys(names.values())}
        splits = {domain: loaded[name] for domain, name in names.items()}
        super().__init__(splits, label, grey, validation, train_limit, draw)


def _load(name: Digits, folder: Path, download: bool) -> tuple[ArrayPart, ArrayPart]:
    """Return the training and the test images. Raises MissingResourceError for missing and for damaged files."""
    try:
        try:
            return _part(name, folder, "train", False), _part(name, folder, "test", False)
        except Exception:  # missing or damaged
            if not download:
                raise
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f"{name}.lock"):  # of several processes one downloads
            return _part(name, folder, "train", True), _part(name, folder, "test", True)
    except Exception as error:  # torchvision raises whatever a download or a file's format leads to
        why = " ".join(f"{type(error).__name__}: {error}".split())
        advice = "delete damaged files there, and check the network" if download else "set download=true"
        raise MissingResourceError(
            f"data: torchvision has no {name} in {folder} ({why}); {advice}, or put torchvision's files there"
        ) from error


def _part(name: Digits, folder: Path, split: Literal["train", "test"], download: bool) -> ArrayPart:
    from torchvision import datasets  # type: ignore[import-untyped]  # slow import: takes seconds

    which: dict[str, Any] = {"split": split} if name == "SVHN" else {"train": split == "train"}
    data = getattr(datasets, name)(folder, download=download, **which)
    images = np.asarray(data.data)
    images = images.transpose(0, 2, 3, 1) if name == "SVHN" else images[..., np.newaxis]
    labels = np.asarray(data.labels if name == "SVHN" else data.targets)
    return ArrayPart(images, labels, list(range(len(images))))
