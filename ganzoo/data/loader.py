"""Read, scale and stack images on the CPU, ahead of the steps that need them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.data.label_maps import one_hot
from ganzoo.data.sampler import Row, Sampler
from ganzoo.data.transforms import augment, crop, scale
from ganzoo.data.types import OTHER, Dataset, Sample, Split
from ganzoo.errors import GanzooError
from ganzoo.randomness import keyed
from ganzoo.settings import ImageSettings
from ganzoo.step import Step

NO_CLASSES: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class Batch:
    """Stacked samples: ``planes`` are uint8 (B, H, W[, C]) arrays by tensor name, ``values`` (B,) float32.

    ``classes`` says of which domains the images are label maps, and how many classes they have.
    """

    rows: Sequence[Row]
    planes: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    classes: Mapping[str, int] = field(default_factory=dict)


class Reader:
    """Reads samples scaled to the training size, and keeps them in memory as far as the budget goes."""

    def __init__(self, dataset: Dataset, images: ImageSettings, paired: bool = False) -> None:
        self.dataset = dataset
        self.paired = paired
        self.images = images
        self._kept: dict[tuple[str, str, int, int], Sample] = {}
        self._room = images.cache * 2**20
        self._lock = Lock()

    def read(self, split: Split, domain: str, index: int, size: int) -> Sample:
        """Return one sample, its planes scaled to ``size`` as the settings say."""
        key = (split, domain, index, size)
        found = self._kept.get(key)
        if found is None:
            labelled = {"image": domain, "target": OTHER[domain]}
            classes = [plane for plane, whose in labelled.items() if whose in self.dataset.classes]
            found = scale(self.dataset.sample(split, domain, index), size, self.images.fit, classes)
            need = sum(
                plane.nbytes for plane in (found.image, found.target, found.mask, found.labels) if plane is not None
            )
            with self._lock:
                if key not in self._kept and need <= self._room:
                    self._kept[key] = found
                    self._room -= need
        return found

    def training_batch(self, rows: Sequence[Row], step: int, seed: int) -> Batch:
        """Read rows with their keyed random crops."""
        size, load = self.images.size, self.images.scale_to
        samples: dict[str, list[Sample]] = {}
        for row in rows:
            for domain, index in row.indices.items():
                sample = self.read("train", domain, index, load)
                purpose = "crop" if self.paired else f"crop/{domain}"
                height, width = sample.image.shape[:2]
                top, left = keyed(seed, step, row.sample, purpose).integers((height - size + 1, width - size + 1))
                samples.setdefault(domain, []).append(crop(sample, int(top), int(left), size))
        return stack(rows, samples, self.dataset.classes)

    def evaluation_batch(self, split: Split, rows: Sequence[Row]) -> Batch:
        """Read rows scaled to the size that the networks see, cropped in the middle, never varied."""
        size = self.images.size
        samples: dict[str, list[Sample]] = {}
        for row in rows:
            for domain, index in row.indices.items():
                sample = self.read(split, domain, index, size)
                height, width = sample.image.shape[:2]
                samples.setdefault(domain, []).append(crop(sample, (height - size) // 2, (width - size) // 2, size))
        return stack(rows, samples, self.dataset.classes)


def stack(rows: Sequence[Row], samples: dict[str, list[Sample]], classes: Mapping[str, int] = NO_CLASSES) -> Batch:
    """Stack samples under the names of their tensors. Raises GanzooError when only some of them have a mask, say."""
    planes: dict[str, np.ndarray] = {}
    values: dict[str, np.ndarray] = {}
    for domain in samples:
        names = {"image": f"real_{domain}", "target": f"true_{OTHER[domain]}"}
        names |= {"mask": f"given_mask_{domain}", "labels": f"given_labels_{domain}"}
        for attribute, name in names.items():
            found = [getattr(sample, attribute) for sample in samples[domain]]
            if all(plane is None for plane in found):
                continue
            for sample, plane in zip(samples[domain], found, strict=True):
                if plane is None:
                    raise GanzooError(f"data: {sample.name} of domain {domain} has no {attribute}, but others have one")
            planes[name] = np.stack(found)
        for key in samples[domain][0].values:
            values[f"{key}_{domain}"] = np.array([one.values[key] for one in samples[domain]], dtype=np.float32)
    return Batch(rows, planes, values, classes)


def training_batches(
    reader: Reader, order: Sampler, start: int, stop: int, workers: int
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield (step, micro-batches) from ``start`` to before ``stop``, read ahead by ``workers`` threads."""

    def read(step: int) -> list[Batch]:
        return [reader.training_batch(rows, step, order.seed) for rows in order.micro_batches(step)]

    pool = ThreadPoolExecutor(max(1, workers), thread_name_prefix="ganzoo-reader")
    waiting: deque[tuple[int, Future[list[Batch]]]] = deque()
    try:
        ahead = start
        for step in range(start, stop):
            while ahead < min(stop, step + 2 * max(1, workers) + 1):
                waiting.append((ahead, pool.submit(read, ahead)))
                ahead += 1
            yield step, waiting.popleft()[1].result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def evaluation_rows(counts: Mapping[str, int], limit: int = 0) -> list[Row]:
    """Return rows that go through every domain once, a smaller one again and again beside the larger."""
    if not all(counts.values()):
        return []
    longest = min(max(counts.values()), limit or max(counts.values()))
    return [Row(i, i, {domain: i % count for domain, count in counts.items()}) for i in range(longest)]


def micro_steps(
    batches: Sequence[Batch], device: torch.device, images: ImageSettings, paired: bool, **about: Any
) -> list[Step]:
    """Return the steps of micro-batches, on the device and varied there; ``about`` tells their place in the run."""
    micros = [make_step(batch, device, **about) for batch in batches]
    for micro in micros:
        augment(micro, images, paired)
    return micros


def make_step(batch: Batch, device: torch.device, **about: float | int | bool) -> Step:
    """Return the step of a batch; ``about`` goes to Step (seed, index, progress, epoch, training)."""
    samples: Sequence[int] = [row.sample for row in batch.rows]
    positions = [row.position for row in batch.rows]
    planes = batch_tensors_on(batch, device)
    return Step(planes, samples=samples, positions=positions, classes=batch.classes, **about)  # type: ignore[arg-type]


def batch_tensors_on(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """Return the batch on the device: images in [−1, 1], masks (B, 1, H, W) in [0, 1], labels (B, 1, H, W) int64."""
    found: dict[str, Tensor] = {}
    for name, array in batch.planes.items():
        plane = torch.from_numpy(array)
        if device.type == "cuda":
            plane = plane.pin_memory().to(device, non_blocking=True)
        if name.startswith("given_labels"):
            found[name] = plane[:, None].long()
        elif name.startswith("given_mask"):
            found[name] = plane[:, None].float() / 255
        elif name[-1] in batch.classes:
            found[name] = one_hot(plane[..., 0].long(), batch.classes[name[-1]])
        else:
            found[name] = plane.permute(0, 3, 1, 2).float() / 127.5 - 1
    for name, array in batch.values.items():
        found[name] = torch.from_numpy(array).to(device)
    return found
