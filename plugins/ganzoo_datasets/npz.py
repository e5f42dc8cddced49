"""The data set ``npz``: images as arrays in .npz files."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ganzoo.interfaces import GanzooError, MissingResourceError, suggest
from ganzoo_datasets.arrays import ArrayDataset, ArrayPart, DomainLimit, Grey
from ganzoo_datasets.files import Domain, choose
from ganzoo_datasets.split import Limit, Share


class Npz(ArrayDataset):
    """Arrays of images, uint8 of shape (N, H, W) or (N, H, W, C), in .npz files; they are loaded into memory.

    Training images are the array ``train_<key>`` of a file if it has this, else the array ``<key>``; test images are
    the array ``test_<key>``. They come from the file ``test_A`` (where ``<key>`` is read if there is no
    ``test_<key>``), or else from the file ``A``. If that has no ``test_<key>``, test images are a share of A's images.
    The same holds for B.

    Args:
        A: the file with the training images of A.
        B: the file with the training images of B.
        test_A: a file with test images of A; optional.
        test_B: a file with test images of B; optional.
        image_key: the key of the images, for both domains or for each: ``{A: horses, B: zebras}``.
        label_key: the key of an array with one number for each image, for both domains or for each; by default
            ``labels``, if the file has it. ``train_`` and ``test_`` work as for images.
        label: the name under which metrics find this number: ``label`` gives the tensors ``label_A`` and ``label_B``.
        grey: ``keep`` the single channel of grey images, or convert them to ``rgb``.
        validation: the share of the training images that is held out for validation.
        test: the share of the images that is held out for test, in a domain without test images of its own.
        train_limit: the largest number of training images, for both domains or for each: ``{A: 2000, B: 1800}``; see
            ``folders``. 0: all.
        draw: the number of the draw that chooses these images; another number chooses others.
    """

    def __init__(
        self,
        *,
        A: Path,
        B: Path,
        test_A: Path | None = None,
        test_B: Path | None = None,
        image_key: str | dict[Domain, str] = "images",
        label_key: str | dict[Domain, str] | None = None,
        label: str = "label",
        grey: Grey = "keep",
        validation: Share = 0.1,
        test: Share = 0.1,
        train_limit: DomainLimit = 0,
        draw: Limit = 0,
    ) -> None:
        splits: dict[Domain, tuple[ArrayPart, ArrayPart]] = {}
        places: dict[Domain, tuple[Path, Path | None]] = {"A": (A, test_A), "B": (B, test_B)}
        for domain, (file, test_file) in places.items():
            keys = choose(image_key, domain) or "images", choose(label_key, domain)
            splits[domain] = _read_split(Path(file), test_file and Path(test_file), *keys, test)
        super().__init__(splits, label, grey, validation, train_limit, draw)


def _read_split(
    file: Path, test_file: Path | None, image_key: str, label_key: str | None, share: float
) -> tuple[ArrayPart, ArrayPart]:
    """Return one domain's images: the part for training and validation, and the part for test.

    Raises GanzooError if a file or key is missing or unsuitable, or if the parts differ in channels.
    """
    with _opened(file) as archive:
        has_test = f"test_{image_key}" in archive
    train = _read(file, "train", image_key, label_key)
    if not (test_file or has_test):
        return train.divide(share, "test")
    source = test_file or file
    test = _read(source, "test", image_key, label_key)
    if test.images.shape[3] != train.images.shape[3]:
        raise GanzooError(
            f"{source}: its test images have {test.images.shape[3]} channels, but those for training "
            f"in {file} have {train.images.shape[3]}; make them the same"
        )
    return train, test


def _read(file: Path, split: str, image_key: str, label_key: str | None) -> ArrayPart:
    with _opened(file) as archive:
        key = _find(archive, split, image_key)
        if key is None:
            raise GanzooError(f"{file}: it has no key {image_key!r}; set image_key{suggest(image_key, archive)}")
        images = archive[key]
        labels_key = _find(archive, split, label_key or "labels")
        if label_key and not labels_key:
            raise GanzooError(f"{file}: it has no key {label_key!r}; set label_key{suggest(label_key, archive)}")
        labels = archive[labels_key] if labels_key else None
    if images.dtype != np.uint8 or images.ndim not in (3, 4) or not images.size:
        raise GanzooError(
            f"{file}: {key!r} is {images.dtype} of shape {images.shape}, not uint8 of (N, H, W) "
            "or (N, H, W, C) with N > 0; save it so, or set image_key"
        )
    if labels is not None and (labels.shape != images.shape[:1] or labels.dtype.kind not in "buif"):
        raise GanzooError(
            f"{file}: {labels_key!r} is {labels.dtype} of shape {labels.shape}, not one number for each of the "
            f"{len(images)} images; save it so, or set label_key"
        )
    if images.ndim == 3:
        images = images[..., np.newaxis]
    return ArrayPart(images, labels, list(range(len(images))))


@contextmanager
def _opened(file: Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Open an .npz file; turn errors in reading it into GanzooError."""
    try:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise GanzooError(f"{file}: a single array, not an .npz file; save it with numpy.savez(…, images=…)")
        with archive:
            yield archive
    except FileNotFoundError as error:
        raise MissingResourceError(f"{file}: no such file; check the path") from error
    except PermissionError as error:
        raise GanzooError(f"{file}: no permission to read it; change its mode or owner (chmod, chown)") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise GanzooError(
            f"{file}: not a readable .npz file ({error}); save it again with numpy.savez_compressed"
        ) from error


def _find(archive: Mapping[str, np.ndarray], split: str, key: str) -> str | None:
    return next((one for one in (f"{split}_{key}", key) if one in archive), None)
