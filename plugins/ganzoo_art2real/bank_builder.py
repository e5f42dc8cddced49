"""Build a bank of patches in one pass over the photographs (``ganzoo bank build``)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import file_digest, sha256
from math import ceil, prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ganzoo import GanzooError
from ganzoo.interfaces import (
    Console,
    ImageFile,
    MissingResourceError,
    StoredFile,
    atomic_folder,
    clean_folder,
    differences,
    find_complete,
    load_yaml,
    open_file,
)
from ganzoo.interfaces import scale as scale_sample
from ganzoo_art2real.bank import (
    BACKGROUND,
    MANIFEST,
    VERSION,
    Bank,
    Scale,
    cut,
    format_size,
    grid_of,
    numbers_file,
    to_shape,
)
from ganzoo_art2real.pixel_classes import LabelMapClasses, NoClasses, PixelClasses
from ganzoo_datasets.files import Entry, entries_in, read_sample, with_planes
from ganzoo_datasets.zip_files import zip_folder

SCALES = (Scale(4, 4), Scale(8, 5), Scale(16, 6))
"""The scales of the paper (section 3.1), with the strides of the released code."""
MAX_WINDOWS = 2**31
"""Maximum number of windows of a scale, which are numbered by int32."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings of a bank.

    Args:
        size: height and width to which photographs are scaled, or the side of squares; their aspect ratio may change.
        scales: patch and stride of the windows, for each scale.
        share: the least share of a window's pixels, in (0, 1], that a class must have for the window to belong to it.

    Raises GanzooError for a share outside (0, 1], no scale, equal scales, and windows larger than the photographs.
    """

    size: int | tuple[int, int] = 256
    scales: tuple[Scale, ...] = SCALES
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise GanzooError(f"--share is {self.share}; it is a share of a window's pixels, above 0, at most 1")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise GanzooError("--scales: give one or more, each once: '[[4,4],[8,5],[16,6]]'")
        for patch, stride in self.scales:
            if not 1 <= patch <= min(self.shape) or stride < 1:
                size = format_size(self.shape)
                raise GanzooError(
                    f"--scales: windows of {patch} pixels, {stride} apart, do not fit images of --size {size}"
                )

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the photographs, in pixels."""
        return to_shape(self.size)


def build_bank(
    photographs: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    pixel_classes: PixelClasses | None = None,
    labels: Path | None = None,
    limit: int | None = None,
    fresh: bool = False,
    console: Console | None = None,
) -> Bank:
    """Build a bank and return it, or the existing one if it has the same photographs, classes and settings.

    Args:
        photographs: files and folders of photographs.
        out: the bank's folder.
        settings: the bank's settings.
        pixel_classes: the source of each pixel's class; without it and ``labels`` every pixel is background.
        labels: folder of label maps, one for each photograph, with the same relative name except for the suffix.
        limit: maximum number of photographs; the first ones are used.
        fresh: whether to replace an existing bank.
        console: the console that shows progress.

    Raises:
        MissingResourceError: a photograph or folder does not exist.
        BusyError: another process is building the same bank.
        GanzooError: a photograph or label map cannot be read, or a label map is missing; there are too many windows;
            ``out`` is another bank and ``fresh`` is not set; ``out`` exists and is no bank; the bank cannot be written.
    """
    console = console or Console()
    entries = gather(photographs, labels, limit, out)
    refuse_too_many(len(entries), settings)
    pixel_classes = pixel_classes or (LabelMapClasses() if labels else NoClasses())
    description = {
        "size": settings.shape[0] if settings.shape[0] == settings.shape[1] else list(settings.shape),
        "scales": [list(scale) for scale in settings.scales],
        "share": settings.share,
        "classes": pixel_classes.description,
    }
    digests = [_digest(entry) for entry in entries]
    key = sha256(json.dumps([VERSION, description, digests], sort_keys=True).encode()).hexdigest()
    existing = find_complete(out, MANIFEST)
    if out.exists() and not existing and not (out.is_dir() and not any(out.iterdir())):
        raise GanzooError(f"{out}: it exists and is not a bank; choose another folder for -o")
    if existing and not fresh:
        bank = Bank.open(out)
        if bank.key != key:
            raise GanzooError(f"{out}: a stale bank: {_difference(bank, description, digests)}; --fresh replaces it")
        clean_folder(out, MANIFEST)
        console.say(f"{out}: this bank exists already (key {key[:12]}); nothing to do")
        return bank
    with atomic_folder(out, MANIFEST) as folder:
        manifest = {
            "bank": VERSION,
            "key": key,
            "settings": description,
            "photographs": [entry.name for entry in entries],
        }
        writer = _Writer(folder, settings, len(entries), pixel_classes)
        with _progress(console) as progress:
            for entry in progress.track(entries):
                writer.add(entry)
        manifest |= {"digests": digests, **writer.finish()}
        (folder / MANIFEST).write_text(json.dumps(manifest, ensure_ascii=False), encoding="utf-8")
    return Bank.open(out)


def read_scales(text: str) -> tuple[Scale, ...]:
    """Return the scales in a text ``[[patch, stride], …]``, YAML or JSON. Raises GanzooError for any other text.

    >>> read_scales("[[4,4],[8,5]]")[1].stride
    5
    """
    try:
        pairs = load_yaml(text)
        if all(type(number) is int for pair in pairs for number in pair):
            return tuple(Scale(*pair) for pair in pairs)
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        pass
    raise GanzooError(f"--scales: {text!r} is not a list of [patch, stride] in pixels, such as '[[4,4],[8,5],[16,6]]'")


def gather(
    photographs: Sequence[Path], labels: Path | None = None, limit: int | None = None, out: Path | None = None
) -> list[Entry]:
    """Return the first ``limit`` photographs in files and folders, with their label maps if ``labels`` is set.

    Images in the folder ``out`` (an earlier bank) are left out.

    Raises:
        MissingResourceError: a path does not exist.
        GanzooError: a folder has no images; a photograph has no label map; two photographs with label maps, or two
            label maps, have the same name.
    """
    entries: list[Entry] = []
    for path in photographs:
        if path.is_dir() or zip_folder(path):
            entries += entries_in(path)
        elif path.is_file():
            entries.append(Entry(path, path.name))
        else:
            raise MissingResourceError(f"{path}: no such photograph or folder; check the path")
    if out is not None:
        entries = [entry for entry in entries if not _is_below(entry.path, out)]
    if not entries:
        raise MissingResourceError(f"{photographs[0]}: no photographs but those in the bank's folder; add some")
    entries = entries[:limit]
    if labels is None:
        return entries
    repeated = [name for name, uses in Counter(entry.name for entry in entries).items() if uses > 1]
    if repeated:
        raise GanzooError(f"{labels}: {repeated[0]!r} names several photographs, so their label maps are ambiguous")
    return with_planes(entries, photographs[0], "labels", labels)


def refuse_too_many(photographs: int, settings: Settings) -> None:
    """Raise GanzooError if a scale has more windows in this number of photographs than int32 can number."""
    for scale in settings.scales:
        windows = photographs * prod(grid_of(settings.shape, scale))
        if windows > MAX_WINDOWS:
            raise GanzooError(
                f"{photographs:,} photographs have {windows:,} windows of {scale}, more than the maximum of "
                f"{MAX_WINDOWS:,}; use fewer photographs with --limit, or larger strides"
            )


def count_pixels(region: np.ndarray, scale: Scale) -> np.ndarray:
    """Return how many pixels of each window are in a region.

    Args:
        region: whether each pixel is in it, (H, W) bool.
        scale: patch and stride of the windows.

    Returns:
        (rows, columns) int32, one for each window.
    """
    patch, stride = scale
    sums = np.zeros((region.shape[0] + 1, region.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(region, 0, dtype=np.int32), 1, out=sums[1:, 1:])
    top, left = (np.arange(windows) * stride for windows in grid_of((region.shape[0], region.shape[1]), scale))
    bottom, right = top + patch, left + patch
    return np.asarray(
        sums[np.ix_(bottom, right)] - sums[np.ix_(top, right)] - sums[np.ix_(bottom, left)] + sums[np.ix_(top, left)]
    )


class _Writer:
    """A writer of pixels and window numbers, one photograph at a time, which also sums patches for the means."""

    def __init__(self, folder: Path, settings: Settings, count: int, pixel_classes: PixelClasses) -> None:
        self.folder = folder
        self.settings = settings
        self.pixel_classes = pixel_classes
        self.done = 0
        self.names = {BACKGROUND: "background", **pixel_classes.names()}
        self.counts: Counter[tuple[int, Scale]] = Counter()
        self.sums: dict[tuple[int, Scale], torch.Tensor] = {}
        shape = (count, *settings.shape, 3)
        with (folder / "images.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})

    def add(self, entry: Entry) -> None:
        sample = scale_sample(read_sample(entry, 3), self.settings.shape, "stretch")
        classes = self.pixel_classes.classes(sample, self.done)
        background = ~np.any(list(classes.values()), axis=0) if classes else np.ones(sample.image.shape[:2], bool)
        image = torch.tensor(sample.image)[None]
        for scale in self.settings.scales:
            min_pixels = ceil(self.settings.share * scale.patch**2 - 1e-9)
            owned = {
                label: np.flatnonzero(count_pixels(region, scale) >= min_pixels)
                for label, region in {BACKGROUND: background, **classes}.items()
            }
            self.write(image, scale, {label: windows for label, windows in owned.items() if len(windows)})
        with (self.folder / "images.npy").open("ab") as file:
            file.write(sample.image.tobytes())
        self.done += 1

    def write(self, image: torch.Tensor, scale: Scale, owned: dict[int, np.ndarray]) -> None:
        """Append each class's window numbers to its file, and add its patches to its sum, exactly (in float64)."""
        windows = prod(grid_of(self.settings.shape, scale))
        patches = cut(image, scale, torch.arange(windows)).double()
        for label, numbers in owned.items():
            with numbers_file(self.folder, label, scale).open("ab") as file:
                file.write((self.done * windows + numbers).astype("<i4").tobytes())
            chosen = torch.zeros(windows, dtype=torch.float64)
            chosen[numbers] = 1
            self.sums[label, scale] = self.sums.get((label, scale), 0) + chosen @ patches
            self.counts[label, scale] += len(numbers)
            self.names.setdefault(label, f"class {label}")

    def finish(self) -> dict[str, Any]:
        """Write the means; return the manifest's entries ``classes`` and ``counts``."""
        labels = sorted(self.names)
        for scale in self.settings.scales:
            means = np.zeros((len(labels), 3 * scale.patch**2), np.float32)
            for row, label in enumerate(labels):
                if self.counts[label, scale]:
                    means[row] = (self.sums[label, scale] / self.counts[label, scale] / 127.5 - 1).numpy()
            np.save(self.folder / f"means-{scale.patch}-{scale.stride}.npy", means)
        counts = [[self.counts[label, scale] for label in labels] for scale in self.settings.scales]
        return {"classes": {str(label): self.names[label] for label in labels}, "counts": counts}


def _is_below(file: ImageFile, folder: Path) -> bool:
    return not isinstance(file, StoredFile) and folder.absolute() in file.absolute().parents


def _digest(entry: Entry) -> str:
    """Return a checksum of a photograph and its label map. Raises GanzooError if a file cannot be read."""
    digest = sha256()
    for path in [path for path in (entry.path, entry.labels) if path]:
        try:
            with open_file(path) as opened:
                digest.update(file_digest(opened, "sha256").digest())
        except OSError as error:
            raise GanzooError(f"{path}: cannot be read ({error.strerror}); copy it again or remove it") from None
    return digest.hexdigest()[:32]


def _difference(bank: Bank, description: dict[str, Any], digests: list[str]) -> str:
    """Return a text that says how a bank differs from the requested one."""
    changes = [f"{name} was {before}, is {now}" for name, before, now in differences(bank.settings, description)]
    old, new = Counter(bank.digests), Counter(digests)
    added, removed = sum((new - old).values()), sum((old - new).values())
    if added or removed:
        changes.append(f"of {len(digests)} photographs {added} are new or changed, {removed} of the bank's are missing")
    return "; ".join(changes or ["the photographs have another order"])


def _progress(console: Console) -> Progress:
    live = console.rich.is_terminal and not console.rich.quiet
    columns = (TextColumn("photographs"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console.rich, transient=True, disable=not live)
