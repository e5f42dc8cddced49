"""Read a bank of patches: a folder with the photographs, and the window numbers of each class and scale.

The bank stores no patches (Tomei et al. 2019, section 3.1, store all of them); they are cut on demand.
    manifest.json                           version, key, settings, names of the photographs and classes, counts
    images.npy                              (N, height, width, 3) uint8
    numbers-<patch>-<stride>-<class>.i32    windows of a class, ascending, little-endian int32
    means-<patch>-<stride>.npy              (classes, 3·patch²) float32, the mean patch of each class
    index-*.faiss                           indexes of approximate search; they are rebuilt when they are missing
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import (
    DamagedError,
    MissingResourceError,
    find_complete,
    parse_object,
    program_name,
    read_text,
)

VERSION = 2
MANIFEST = "manifest.json"
BACKGROUND = 0
"""The class of pixels without a class. Class c > 0 is the value c of label maps, or plane c − 1 of a masker's masks."""


class Scale(NamedTuple):
    """The windows of one scale: they have ``patch`` × ``patch`` pixels and are ``stride`` pixels apart."""

    patch: int
    stride: int

    def __str__(self) -> str:
        return f"{self.patch}×{self.patch}"


def windows_of(size: int, patch: int, stride: int) -> int:
    """Return the number of windows along a side of ``size`` pixels, which must be at least ``patch``.

    >>> [windows_of(256, patch, stride) for patch, stride in ((4, 4), (8, 5), (16, 6))]
    [64, 50, 41]
    """
    return (size - patch) // stride + 1


def grid_of(shape: tuple[int, int], scale: Scale) -> tuple[int, int]:
    """Return the number of windows along the height and the width of an image, (H, W).

    >>> grid_of((24, 40), Scale(8, 4))
    (5, 9)
    """
    return windows_of(shape[0], *scale), windows_of(shape[1], *scale)


def to_shape(size: int | Sequence[int]) -> tuple[int, int]:
    """Return a size, [H, W] or the side of a square, as height and width. Raises ValueError for anything else."""
    height, width = size if isinstance(size, Sequence) else (size, size)
    return int(height), int(width)


def format_size(shape: tuple[int, int]) -> str:
    """Return height and width as the option ``--size`` reads them: ``256``, ``24x40``."""
    return str(shape[0]) if shape[0] == shape[1] else f"{shape[0]}x{shape[1]}"


def cut(images: Tensor, scale: Scale, numbers: Tensor) -> Tensor:
    """Return the pixels of windows of images.

    Args:
        images: the images, (N, H, W, 3) uint8.
        scale: patch and stride of the windows.
        numbers: (M,) integers on the same device: index of the image · number of windows of an image + index of the
            window in it. Windows are numbered by rows, as the columns of ``torch.nn.functional.unfold`` are.

    Returns:
        (M, 3·patch²) uint8, each row a flattened (3, patch, patch), as in unfold's columns.
    """
    count, height, width = images.shape[:3]
    patch, stride = scale
    rows, columns = grid_of((height, width), scale)
    down, across = images.stride(1), images.stride(2)
    windows = images.as_strided(
        (count, rows, columns, 3, patch, patch),
        (images.stride(0), stride * down, stride * across, images.stride(3), down, across),
    )
    numbers = numbers.long()
    within = numbers % (rows * columns)
    return windows[numbers // (rows * columns), within // columns, within % columns].flatten(1)


class Bank:
    """An opened bank; its images and window numbers are memory-mapped. ``Bank.open(folder)`` opens and checks it.

    Args:
        folder: the bank's folder.
        manifest: the content of its manifest.json.

    Raises ValueError and other errors for files that do not fit the manifest; ``open`` raises GanzooError instead.
    """

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.key = str(manifest["key"])
        """Checksum of photographs, classes and settings: banks with equal keys have the same patches."""
        self.settings: dict[str, Any] = dict(manifest["settings"])
        self.photographs = [str(name) for name in manifest["photographs"]]
        self.digests = [str(digest) for digest in manifest["digests"]]
        self.shape = to_shape(self.settings["size"])
        """Height and width of the photographs, in pixels."""
        self.settings["share"] = float(self.settings["share"])
        self.scales = tuple(Scale(int(patch), int(stride)) for patch, stride in self.settings["scales"])
        self.names = {int(label): str(name) for label, name in manifest["classes"].items()}
        """Class → its name."""
        self.classes = tuple(sorted(self.names))
        """All classes; ``BACKGROUND`` is the first."""
        self._counts = {
            scale: dict(zip(self.classes, map(int, counts), strict=True))
            for scale, counts in zip(self.scales, manifest["counts"], strict=True)
        }
        images = np.load(folder / "images.npy", mmap_mode="c")  # torch does not accept read-only arrays
        if images.dtype != np.uint8 or images.shape != (len(self.photographs), *self.shape, 3):
            raise ValueError("images.npy does not have the shape that the manifest says")
        self._images = {torch.device("cpu"): torch.from_numpy(images)}
        self._means = {scale: np.load(folder / f"means-{scale.patch}-{scale.stride}.npy") for scale in self.scales}
        if any(self._means[scale].shape != (len(self.classes), 3 * scale.patch**2) for scale in self.scales):
            raise ValueError("the means do not have the shape that the manifest says")
        self._numbers = {
            (label, scale): _map_numbers(numbers_file(folder, label, scale), self._counts[scale][label])
            for label in self.classes
            for scale in self.scales
        }
        for (_, scale), numbers in self._numbers.items():
            if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self.photographs) * self.windows(scale):
                raise ValueError("window numbers point outside the images")

    @classmethod
    def open(cls, folder: str | Path) -> Bank:
        """Return the bank in a folder, or the old one beside it if its replacement was interrupted.

        Raises:
            MissingResourceError: there is no bank.
            GanzooError: the bank is damaged or of another version.
        """
        folder = Path(folder)
        folder = find_complete(folder, MANIFEST) or folder
        file = folder / MANIFEST
        if not file.exists():
            raise MissingResourceError(
                f"{folder}: no bank found; build one: {program_name()} bank build PHOTOS -o {folder} --size SIZE "
                "--masker M, "
                "with the size of the recipe's images and the masker of maskers.labels, if there is one"
            )
        advice = f"build it again: {program_name()} bank build PHOTOS -o {folder} --fresh"
        manifest = parse_object(read_text(file, advice), file, "the manifest of a bank", advice)
        version = manifest.get("bank")
        if isinstance(version, int) and version != VERSION:
            raise GanzooError(
                f"{folder}: the bank has version {version}, but this ganzoo needs version {VERSION}; build it again: "
                f"{program_name()} bank build PHOTOS -o {folder} --fresh"
            )
        try:
            return cls(folder, manifest)
        except Exception as error:  # numpy raises many classes for damaged files, and any field may have any type
            raise _damaged(folder, error) from None

    def windows(self, scale: tuple[int, int]) -> int:
        """Return the number of windows of one image at a scale.

        Raises GanzooError for a scale that the bank does not have.
        """
        return prod(grid_of(self.shape, self.scale(scale)))

    def scale(self, scale: tuple[int, int]) -> Scale:
        """Return (patch, stride) as a ``Scale``. Raises GanzooError for a scale that the bank does not have."""
        if tuple(scale) not in self.scales:
            available = ", ".join(f"({patch}, {stride})" for patch, stride in self.scales)
            raise GanzooError(f"{self.folder}: no scale {tuple(scale)} (patch, stride); there are: {available}")
        return Scale(*scale)

    def count(self, label: int, scale: tuple[int, int]) -> int:
        """Return the number of patches of a class at a scale; 0 for an unknown class.

        Raises GanzooError for a scale that the bank does not have.
        """
        return self._counts[self.scale(scale)].get(label, 0)

    def mean(self, label: int, scale: tuple[int, int]) -> Tensor:
        """Return the mean patch of a class at a scale, (3·patch²,) float32 in [−1, 1].

        Raises GanzooError for a class without patches at the scale, and for a scale that the bank does not have.
        """
        if not self.count(label, scale):
            raise GanzooError(f"{self.folder}: class {label} has no patches of {self.scale(scale)}, so it has no mean")
        return torch.from_numpy(self._means[self.scale(scale)][self.classes.index(label)].copy())

    def numbers(self, label: int, scale: tuple[int, int]) -> np.ndarray:
        """Return the window numbers of a class at a scale, (n,) int32, ascending; empty for an unknown class.

        The array is memory-mapped. Raises GanzooError for a scale that the bank does not have.
        """
        return self._numbers.get((label, self.scale(scale)), np.empty(0, "<i4"))

    def resolve(self, label: int, scale: tuple[int, int]) -> int:
        """Return the class, or ``BACKGROUND`` if the class has no patches at the scale."""
        return label if self.count(label, scale) else BACKGROUND

    def patches(self, scale: tuple[int, int], numbers: Tensor | np.ndarray) -> Tensor:
        """Return patches of any class, which are cut out of the images.

        Args:
            scale: (patch, stride), one of ``scales``.
            numbers: (N,) window numbers. The images are copied to the numbers' device, once.

        Returns:
            (N, 3·patch²) float32 in [−1, 1], in the order of ``unfold``'s columns.

        Raises GanzooError for a scale that the bank does not have.
        """
        if not isinstance(numbers, Tensor):
            numbers = torch.from_numpy(numbers)
        return cut(self.images(numbers.device), self.scale(scale), numbers).float().div_(127.5).sub_(1)

    def images(self, device: torch.device) -> Tensor:
        """Return the photographs (N, H, W, 3) uint8 on a device; a copy on a device is made once."""
        if device not in self._images:
            self._images[device] = self._images[torch.device("cpu")].to(device)
        return self._images[device]


def numbers_file(folder: Path, label: int, scale: Scale) -> Path:
    """Return the path of the file with the window numbers of a class at a scale."""
    return folder / f"numbers-{scale.patch}-{scale.stride}-{label}.i32"


def _map_numbers(file: Path, count: int) -> np.ndarray:
    if not count:
        return np.empty(0, "<i4")
    if file.stat().st_size != 4 * count:
        raise ValueError(f"{file.name} does not have the length that the manifest says")
    return np.memmap(file, "<i4", mode="c")  # torch does not accept read-only arrays


def _damaged(folder: Path, reason: Exception) -> DamagedError:
    message = " ".join(str(reason).split())[:200] or type(reason).__name__
    return DamagedError(
        f"{folder}: a damaged bank ({message}); build it again: {program_name()} bank build PHOTOS -o {folder} --fresh"
    )
