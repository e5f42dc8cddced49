"""Training batches from folders of JPEG images: images a second, cold and cached, with 1 to 8 threads."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.speed.timing import append
from ganzoo.data.loader import Reader, training_batches
from ganzoo.data.sampler import Sampler, image_counts
from ganzoo.interfaces import Dataset
from ganzoo.plugins import plugins
from ganzoo.settings import ImageSettings

COUNT = 100
"""Images of each domain."""


def measure(rounds: int) -> None:
    """Read photographs of 512×384 pixels, scaled to 286 and cropped to 256, as CycleGAN does."""
    images = ImageSettings(size=256, load=286)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for domain in "AB":
            (folder / f"train{domain}").mkdir()
            for number in range(COUNT):
                coarse = np.random.default_rng([ord(domain), number]).integers(0, 256, (48, 64, 3), np.uint8)
                photograph = Image.fromarray(coarse).resize((512, 384), Image.Resampling.BICUBIC)
                photograph.save(folder / f"train{domain}/{number:03}.jpg", quality=90)
        dataset: Dataset = plugins().registry.get("dataset", "folders").load()(root=folder, validation=0.0)
        rows = []
        for workers in (1, 2, 4, 8):
            speeds: dict[str, list[float]] = {"cold": [], "cached": []}
            for _ in range(rounds):
                reader = Reader(dataset, images)
                for kind in speeds:
                    speeds[kind].append(2 * COUNT / _epoch(reader, dataset, workers))
            rows += [
                {"files": kind, "workers": workers, "images_per_s": round(statistics.median(some)), "rounds": rounds}
                for kind, some in speeds.items()
            ]
    append("reading", rows)


def _epoch(reader: Reader, dataset: Dataset, workers: int) -> float:
    order = Sampler(image_counts(dataset, "train"), paired=False, batch=1)
    started = time.perf_counter()
    for _ in training_batches(reader, order, 0, COUNT, workers):
        pass
    return time.perf_counter() - started
