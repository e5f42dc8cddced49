"""Reading: training batches from folders of JPEG images, large photographs, and how fast a folder is listed.

``images_per_s`` of training batches is measured cold and cached, with 1 to 8 threads.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.speed.timing import alternate, append
from ganzoo.data.loader import Reader, training_batches
from ganzoo.data.sampler import Sampler, image_counts
from ganzoo.interfaces import Dataset
from ganzoo.plugins import plugins
from ganzoo.settings import ImageSettings

COUNT = 100
"""Images of each domain."""
LARGE = 12
"""Photographs of 3000×2000 pixels."""
FILES = 50_000
"""Files that are listed, in two folders."""
IMAGES = ImageSettings(size=256, load=286)


def measure(rounds: int) -> None:
    """Measure the reading of photographs, scaled to 286 and cropped to 256 as CycleGAN does, and listing."""
    append("reading", [*_batches(rounds), *_large_photographs(rounds), *_listing(rounds)])


def _batches(rounds: int) -> list[dict[str, object]]:
    """Measure training batches of photographs of 512×384 pixels."""
    with TemporaryDirectory() as name:
        dataset = _photographs(Path(name), COUNT, (512, 384))
        rows = []
        for workers in (1, 2, 4, 8):
            speeds: dict[str, list[float]] = {"cold": [], "cached": []}
            for _ in range(rounds):
                reader = Reader(dataset, IMAGES)
                for kind in speeds:
                    speeds[kind].append(2 * COUNT / _epoch(reader, dataset, workers))
            rows += [_row(kind, workers, statistics.median(some), rounds) for kind, some in speeds.items()]
    return rows


def _large_photographs(rounds: int) -> list[dict[str, object]]:
    """Measure one thread that reads photographs of 3000×2000 pixels, decoded in full and as training decodes them."""

    def read(*, draft: bool) -> None:
        reader = Reader(dataset, replace(IMAGES, cache=0))
        for index in range(LARGE):
            reader.read("train", "A", index, reader.images.read_shape, draft=draft)

    with TemporaryDirectory() as name:
        dataset = _photographs(Path(name), LARGE, (3000, 2000))
        times = alternate(
            {"3000×2000, decoded in full": partial(read, draft=False), "3000×2000": partial(read, draft=True)}, rounds
        )
    return [_row(name, 1, LARGE / statistics.median(some.wall), rounds) for name, some in times.items()]


def _listing(rounds: int) -> list[dict[str, object]]:
    """Measure how long it takes to build a data set of two folders with many files, whose content is not read."""
    with TemporaryDirectory() as name:
        for domain in "AB":
            (Path(name) / f"train{domain}").mkdir()
            for number in range(FILES // 2):
                (Path(name) / f"train{domain}/{number:06}.jpg").touch()
        (times,) = alternate({"listing": lambda: _folders(Path(name), validation=0.1)}, rounds).values()
    return [_row(f"listing {FILES:,} files", 1, FILES / statistics.median(times.wall), rounds)]


def _row(files: str, workers: int, speed: float, rounds: int) -> dict[str, object]:
    return {"files": files, "workers": workers, "images_per_s": round(speed), "rounds": rounds}


def _photographs(folder: Path, count: int, size: tuple[int, int]) -> Dataset:
    """Return a data set with ``count`` blurred images of random colours in each domain; ``size``: width and height."""
    for domain in "AB":
        (folder / f"train{domain}").mkdir()
        for number in range(count):
            shape = (size[1] // 8, size[0] // 8, 3)
            coarse = np.random.default_rng([ord(domain), number]).integers(0, 256, shape, np.uint8)
            photograph = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
            photograph.save(folder / f"train{domain}/{number:03}.jpg", quality=90)
    return _folders(folder, validation=0.0)


def _folders(root: Path, validation: float) -> Dataset:
    dataset: Dataset = plugins().registry.get("dataset", "folders").load()(root=root, validation=validation)
    return dataset


def _epoch(reader: Reader, dataset: Dataset, workers: int) -> float:
    order = Sampler(image_counts(dataset, "train"), paired=False, batch=1)
    started = time.perf_counter()
    for _ in training_batches(reader, order, 0, COUNT, workers, COUNT):
        pass
    return time.perf_counter() - started
