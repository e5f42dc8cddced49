"""Build a bank: one pass over the photographs, written aside and renamed, known by what it was made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ganzoo import GanzooError
from ganzoo.interfaces import Console, MissingResourceError, differences, find_complete
from ganzoo.interfaces import scale as scaled
from ganzoo_art2real.aside import written_aside
from ganzoo_art2real.bank import BACKGROUND, MANIFEST, VERSION, Bank, Scale, cut, numbers_file, windows_of
from ganzoo_art2real.segmenting import LabelMaps, Nothing, Segmenting
from ganzoo_datasets.files import Entry, entries_in, read_sample, with_planes

SCALES = (Scale(4, 4), Scale(8, 5), Scale(16, 6))
"""Of the paper (section 3.1; strides by the released code)."""
MOST = 2**31
"""Windows of one scale that int32 can number."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a bank is cut.

    Args:
        size: side that photographs are scaled to, pixels, whatever their aspect.
        scales: the windows.
        share: of a window's pixels, (0, 1]: a class that has at least as much owns the window; several may.
    """

    size: int = 256
    scales: tuple[Scale, ...] = SCALES
    share: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise GanzooError(f"--share is {self.share}; it is a share of a window's pixels, above 0, at most 1")
        if not self.scales or len(set(self.scales)) < len(self.scales):
            raise GanzooError("--scales: give one or more, each once: '[[4,4],[8,5],[16,6]]'")
        for patch, stride in self.scales:
            if not 1 <= patch <= self.size or stride < 1:
                raise GanzooError(
                    f"--scales: windows of {patch} pixels, {stride} apart, do not fit images of --size {self.size}"
                )


def build(
    photographs: Sequence[Path],
    out: Path,
    settings: Settings,
    *,
    segmenting: Segmenting | None = None,
    labels: Path | None = None,
    limit: int | None = None,
    fresh: bool = False,
    console: Console | None = None,
) -> Bank:
    """Build a bank, or open the one that is there already and was made of the same.

    Args:
        photographs: files and folders of them.
        out: the bank's folder.
        settings: how it is cut.
        segmenting: says the classes; without it and ``labels`` everything is background.
        labels: a folder of label maps, one for each photograph, under the same relative name but for the ending.
        limit: take the first so many photographs only.
        fresh: replace a bank that is there.
        console: where progress is shown.

    Raises GanzooError for photographs or label maps that cannot be read, too many windows, or another bank in ``out``.
    """
    console = console or Console()
    entries = gather(photographs, labels, limit, out)
    refuse_too_many(len(entries), settings)
    segmenting = segmenting or (LabelMaps() if labels else Nothing())
    said = {
        "size": settings.size,
        "scales": [list(scale) for scale in settings.scales],
        "share": settings.share,
        "classes": segmenting.about,
    }
    digests = [_digest(entry) for entry in entries]
    key = sha256(json.dumps([VERSION, said, digests], sort_keys=True).encode()).hexdigest()
    there = find_complete(out, MANIFEST)
    if out.exists() and not there and not (out.is_dir() and not any(out.iterdir())):
        raise GanzooError(f"{out}: it is there, and no bank; choose another place for -o")
    if there and not fresh:
        bank = Bank.open(out)
        if bank.key != key:
            raise GanzooError(f"{out}: a stale bank: {_difference(bank, said, digests)}; --fresh replaces it")
        console.say(f"{out}: this very bank is there already (key {key[:12]}); nothing to do")
        return bank
    with written_aside(out) as folder:
        manifest = {"bank": VERSION, "key": key, "settings": said, "photographs": [entry.name for entry in entries]}
        writer = _Writer(folder, settings, len(entries), segmenting)
        with _progress(console, len(entries)) as line:
            for entry in line.track(entries):
                writer.add(entry)
        made = {**manifest, "digests": digests, **writer.finish()}
        (folder / MANIFEST).write_text(json.dumps(made, ensure_ascii=False), encoding="utf-8")
    return Bank.open(out)


def read_scales(text: str) -> tuple[Scale, ...]:
    """Read ``[[patch, stride], …]``, YAML or JSON. Raises GanzooError.

    >>> read_scales("[[4,4],[8,5]]")[1].stride
    5
    """
    try:
        pairs = yaml.safe_load(text)
        if all(type(number) is int for pair in pairs for number in pair):
            return tuple(Scale(*pair) for pair in pairs)
    except (yaml.YAMLError, TypeError):
        pass
    raise GanzooError(f"--scales: {text!r} is no list of [patch, stride] in pixels, such as '[[4,4],[8,5],[16,6]]'")


def gather(
    photographs: Sequence[Path], labels: Path | None = None, limit: int | None = None, out: Path | None = None
) -> list[Entry]:
    """Return the photographs of files and folders, the first ``limit``, with their label maps.

    A bank ``out`` that lies in such a folder is none. Raises GanzooError when there are none, or one lacks its map.
    """
    entries: list[Entry] = []
    for one in photographs:
        if one.is_dir():
            entries += entries_in(one)
        elif one.is_file():
            entries.append(Entry(one, one.name))
        else:
            raise MissingResourceError(f"{one}: no such photograph or folder; check the path")
    if out is not None:
        entries = [entry for entry in entries if out.absolute() not in entry.path.absolute().parents]
    entries = entries[:limit]
    if labels is None:
        return entries
    twice = [name for name, uses in Counter(entry.name for entry in entries).items() if uses > 1]
    if twice:
        raise GanzooError(f"{labels}: {twice[0]!r} names several photographs, so that their label maps cannot be told")
    return with_planes(entries, photographs[0], "labels", labels)


def refuse_too_many(photographs: int, settings: Settings) -> None:
    """Raise GanzooError when a scale has more windows than int32 can number."""
    for scale in settings.scales:
        windows = photographs * windows_of(settings.size, *scale) ** 2
        if windows > MOST:
            raise GanzooError(
                f"{photographs:,} photographs have {windows:,} windows of {scale}, more than the {MOST:,} that can be "
                "numbered; take fewer with --limit, or larger strides"
            )


def covered(where: np.ndarray, scale: Scale) -> np.ndarray:
    """Return how many pixels of each window are in a region.

    Args:
        where: (size, size) bool.
        scale: of the windows.

    Returns:
        (side, side) int32, from sums over all that lies left and above (an integral image).
    """
    patch, stride = scale
    sums = np.zeros((where.shape[0] + 1, where.shape[1] + 1), np.int32)
    np.cumsum(np.cumsum(where, 0, dtype=np.int32), 1, out=sums[1:, 1:])
    first = np.arange(windows_of(where.shape[0], patch, stride)) * stride
    last = first + patch
    return np.asarray(
        sums[np.ix_(last, last)] - sums[np.ix_(first, last)] - sums[np.ix_(last, first)] + sums[np.ix_(first, first)]
    )


class _Writer:
    """Takes a photograph at a time: its pixels, the numbers of its windows by class, and their sums for the means."""

    def __init__(self, folder: Path, settings: Settings, count: int, segmenting: Segmenting) -> None:
        self.folder = folder
        self.settings = settings
        self.segmenting = segmenting
        self.done = 0
        self.names = {BACKGROUND: "background", **segmenting.names()}
        self.counts: Counter[tuple[int, Scale]] = Counter()
        self.sums: dict[tuple[int, Scale], torch.Tensor] = {}
        shape = (count, settings.size, settings.size, 3)
        with (folder / "images.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})

    def add(self, entry: Entry) -> None:
        sample = scaled(read_sample(entry, 3), self.settings.size, "stretch")
        classes = self.segmenting.classes(sample, self.done)
        background = ~np.any(list(classes.values()), axis=0) if classes else np.ones(sample.image.shape[:2], bool)
        image = torch.tensor(sample.image)[None]
        for scale in self.settings.scales:
            least = ceil(self.settings.share * scale.patch**2 - 1e-9)
            owned = {
                label: np.flatnonzero(covered(where, scale) >= least)
                for label, where in {BACKGROUND: background, **classes}.items()
            }
            self.write(image, scale, {label: windows for label, windows in owned.items() if len(windows)})
        with (self.folder / "images.npy").open("ab") as file:
            file.write(sample.image.tobytes())
        self.done += 1

    def write(self, image: torch.Tensor, scale: Scale, owned: dict[int, np.ndarray]) -> None:
        """Append the windows that each class owns, and add up their patches: whole numbers, so without rounding."""
        windows = windows_of(self.settings.size, *scale) ** 2
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
        """Write the means; return what the manifest says of classes."""
        labels = sorted(self.names)
        for scale in self.settings.scales:
            means = np.zeros((len(labels), 3 * scale.patch**2), np.float32)
            for row, label in enumerate(labels):
                if self.counts[label, scale]:
                    means[row] = (self.sums[label, scale] / self.counts[label, scale] / 127.5 - 1).numpy()
            np.save(self.folder / f"means-{scale.patch}-{scale.stride}.npy", means)
        counts = [[self.counts[label, scale] for label in labels] for scale in self.settings.scales]
        return {"classes": {str(label): self.names[label] for label in labels}, "counts": counts}


def _digest(entry: Entry) -> str:
    """Return a checksum of a photograph and its label map, as they lie on the disk."""
    found = sha256()
    for path in [path for path in (entry.path, entry.labels) if path]:
        try:
            found.update(sha256(path.read_bytes()).digest())
        except OSError as error:
            raise GanzooError(f"{path}: it cannot be read ({error.strerror}); copy it again or remove it") from None
    return found.hexdigest()[:32]


def _difference(bank: Bank, said: dict[str, Any], digests: list[str]) -> str:
    """Say in what a bank is another than the one that is wanted."""
    found = [f"{name} was {before}, is {now}" for name, before, now in differences(bank.settings, said)]
    old, new = Counter(bank.digests), Counter(digests)
    more, less = sum((new - old).values()), sum((old - new).values())
    if more or less:
        found.append(f"of {len(digests)} photographs {more} are new or changed, and {less} of the bank's are gone")
    return "; ".join(found or ["the photographs stand in another order"])


def _progress(console: Console, total: int) -> Progress:
    live = console.rich.is_terminal and not console.rich.quiet
    columns = (TextColumn("photographs"), BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console.rich, transient=True, disable=not live)
