"""Read, scale and batch images on the CPU, before the steps that need them; move batches to the device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ganzoo.contracts.dataset import read_sample
from ganzoo.contracts.origin import Origin
from ganzoo.data.label_maps import one_hot
from ganzoo.data.sample_cache import Key, SampleCache
from ganzoo.data.sampler import Row, Sampler
from ganzoo.data.size_checks import require_crop, require_one_size
from ganzoo.data.transforms import augment, crop, crop_scaled, scale
from ganzoo.data.types import OTHER, Dataset, Sample, Split
from ganzoo.errors import ComponentError, GanzooError
from ganzoo.randomness import keyed
from ganzoo.settings import ImageSettings, Shape, pair
from ganzoo.step import Step

NO_CLASSES: Mapping[str, int] = MappingProxyType({})


REPLACEMENTS = 20
"""Images that may be drawn in place of one that cannot be read; after as many failures reading has failed."""


@dataclass(frozen=True)
class DamagedImage:
    """A training image that could not be read when a batch needed it; another image took its place.

    Args:
        domain: its domain.
        index: its index in the domain.
        why: the error, which names the file.
    """

    domain: str
    index: int
    why: str


@dataclass(frozen=True)
class Batch:
    """Samples of one or two domains, stacked into arrays.

    Args:
        rows: the rows of the batch, which say what images they have.
        planes: name of a tensor → images, masks or labels: uint8 (B, H, W) or (B, H, W, C).
        values: name of a tensor → the samples' numbers for metrics: float32 (B,).
        classes: domain → number of classes, for each domain whose images are label maps.
        damaged: images that were replaced, as they could not be read.
        names: domain → the names of its images, one for each row.
    """

    rows: Sequence[Row]
    planes: dict[str, np.ndarray]
    values: dict[str, np.ndarray]
    classes: Mapping[str, int] = field(default_factory=dict)
    damaged: Sequence[DamagedImage] = ()
    names: Mapping[str, Sequence[str]] = field(default_factory=dict)


class Reader:
    """Reads samples, scales them, and caches the scaled ones in memory up to ``images.cache`` MiB.

    Threads share the cache, and read an image once where several need it at the same time. Each process has its own.

    Args:
        dataset: the data set.
        images: the settings of size, scaling and cache.
        paired: whether the images of a row are cropped at the same place.
        origin: where the data set comes from; by default its class.
    """

    def __init__(
        self, dataset: Dataset, images: ImageSettings, paired: bool = False, *, origin: Origin | None = None
    ) -> None:
        self.dataset = dataset
        self.origin = origin or Origin(type(dataset))
        self.paired = paired
        self.images = images
        self._later_images = images.without_jitter()
        self._cache = SampleCache(images.cache * 2**20)

    def read(
        self, split: Split, domain: str, index: int, size: int | Shape | None = None, *, draft: bool = False
    ) -> Sample:
        """Return a sample scaled to ``size``, (H, W) or a square, as ``images.fit`` says; None: in its own size.

        With ``draft`` a data set may decode a large image at a smaller size before; see ``Dataset.sample_to_scale``.
        Raises GanzooError if it cannot be read or is smaller than the crop of ``fit: crop``; if the data set returns
        something wrong, ComponentError.
        """
        key = Key(split, domain, index, None if size is None else pair(size), draft)
        return self._cache.get(key, lambda: self._read_scaled(key))

    def _read_scaled(self, key: Key) -> Sample:
        split, domain, index, size, draft = key
        side = max(size) if draft and size is not None else 0
        sample = read_sample(self.dataset, self.origin, split, domain, index, side)
        if self.images.fit == "crop":
            require_crop(sample.name, sample.image.shape, self.images.shape)
        return (
            sample
            if size is None
            else scale(sample, size, self.images.fit, self._label_maps(domain), self.images.filter)
        )

    def _label_maps(self, domain: str) -> list[str]:
        """Return those of ``image`` and ``target`` of a domain's samples that are label maps."""
        domains = {"image": domain, "target": OTHER[domain]}
        return [plane for plane, shown in domains.items() if shown in self.dataset.classes]

    def _images_at(self, progress: float) -> ImageSettings:
        """Return the settings of training images at a point of the run, 0 … 1.

        At the end of the jitter, the cached images of its scale make room for those of the next.
        """
        images = self.images
        if images.jitter is None or progress < images.jitter:
            return images
        if images.read_shape != self._later_images.read_shape:
            self._cache.forget("train", images.read_shape)
        return self._later_images

    def training_batch(self, rows: Sequence[Row], step: int, seed: int, progress: float = 0.0) -> Batch:
        """Read rows of the training split; crop each image at a random place, determined by seed, step and row.

        An image that cannot be read is replaced by another one, which ``seed`` and row determine. ``progress`` is the
        finished share of the run, 0 … 1, for ``images.jitter``.
        """
        images = self._images_at(progress)
        samples: dict[str, list[Sample]] = {}
        damaged: list[DamagedImage] = []
        for row in rows:
            read = self._training_samples(row, seed, damaged, images.read_shape)
            if self.paired and images.load_shape is None:
                require_one_size(read.values(), "the images of a pair", "images.fit stretch or cover")
            for domain, sample in read.items():
                samples.setdefault(domain, []).append(self._cropped(sample, domain, images, (seed, step, row.sample)))
        return replace(stack(rows, samples, self.dataset.classes), damaged=damaged)

    def _cropped(self, sample: Sample, domain: str, images: ImageSettings, key: tuple[int, int, int]) -> Sample:
        """Return a training sample with a random scale and at a random place, which depend on seed, step and row."""
        if images.fit == "none":
            return sample
        suffix = "" if self.paired else f"/{domain}"
        zoom = 1 / images.read_zoom
        if images.zoom:
            zoom *= float(keyed(*key, f"zoom{suffix}").uniform(*images.zoom))
        if images.scales:
            zoom *= images.scales[int(keyed(*key, f"scales{suffix}").integers(len(images.scales)))]
        (height, width), (rows, columns) = sample.image.shape[:2], images.shape
        zoom = max(zoom, rows / height, columns / width)  # without scaling, an image may be as small as the crop
        scaled = max(rows, round(height * zoom)), max(columns, round(width * zoom))
        top, left = keyed(*key, f"crop{suffix}").integers((scaled[0] - rows + 1, scaled[1] - columns + 1))
        maps = self._label_maps(domain)
        return crop_scaled(sample, scaled, int(top), int(left), images.shape, maps, images.filter)

    def _training_samples(
        self, row: Row, seed: int, damaged: list[DamagedImage], size: Shape | None
    ) -> dict[str, Sample]:
        """Return domain → sample of a row, scaled to ``size``; add the images that had to be replaced to ``damaged``.

        Raises GanzooError when as many draws as ``REPLACEMENTS`` cannot be read either, and ComponentError for a
        mistake of the data set's author.
        """
        samples: dict[str, Sample] = {}
        indices, failed = dict(row.indices), []
        while absent := [domain for domain in indices if domain not in samples]:
            domain = absent[0]
            try:
                samples[domain] = self.read("train", domain, indices[domain], size, draft=True)
            except ComponentError:
                raise
            except GanzooError as error:
                damaged.append(DamagedImage(domain, indices[domain], str(error)))
                failed.append((domain, indices[domain]))
                others = [i for i in range(self.dataset.count("train", domain)) if (domain, i) not in failed]
                if len(failed) > REPLACEMENTS or not others:
                    raise
                draws = keyed(seed, "replacement", row.sample, domain, len(failed))
                indices[domain] = others[int(draws.integers(len(others)))]
                if self.paired:  # the partners belong together
                    indices, samples = dict.fromkeys(indices, indices[domain]), {}
        return samples

    def evaluation_batch(self, split: Split, rows: Sequence[Row]) -> Batch:
        """Read rows of a split as one batch, as ``evaluation_batches`` does. Raises GanzooError for several sizes."""
        return stack(rows, self._evaluation_samples(split, rows), self.dataset.classes)

    def evaluation_batches(self, split: Split, rows: Sequence[Row]) -> list[Batch]:
        """Read rows of a split; scale each image to ``images.size`` and crop it at the center, without augmentation.

        With ``fit: crop`` images are only cropped; with ``fit: none`` they are whole, and there is a batch for each
        size. Each image is decoded at its full size, so that metric values do not depend on how fast it could be read.
        """
        samples = self._evaluation_samples(split, rows)
        groups: dict[tuple[Shape, ...], list[int]] = {}
        for number in range(len(rows)):
            shapes = tuple(of_domain[number].image.shape[:2] for of_domain in samples.values())
            groups.setdefault(shapes, []).append(number)
        return [
            stack(
                [rows[number] for number in numbers],
                {domain: [of_domain[number] for number in numbers] for domain, of_domain in samples.items()},
                self.dataset.classes,
            )
            for numbers in groups.values()
        ]

    def _evaluation_samples(self, split: Split, rows: Sequence[Row]) -> dict[str, list[Sample]]:
        images, samples = self.images, dict[str, list[Sample]]()
        size = None if images.load_shape is None else images.shape
        for row in rows:
            for domain, index in row.indices.items():
                sample = self.read(split, domain, index, size)
                if images.fit != "none":
                    (height, width), (high, wide) = sample.image.shape[:2], images.shape
                    sample = crop(sample, (height - high) // 2, (width - wide) // 2, images.shape)
                samples.setdefault(domain, []).append(sample)
        return samples


def stack(rows: Sequence[Row], samples: dict[str, list[Sample]], classes: Mapping[str, int] = NO_CLASSES) -> Batch:
    """Stack samples of equal size into a batch.

    Args:
        rows: the rows that the samples were read for.
        samples: domain → a sample for each row.
        classes: domain → number of classes, for each domain whose images are label maps.

    Raises GanzooError if only some samples of a domain have a mask, labels, a target or a value, or if their sizes
    differ.
    """
    planes: dict[str, np.ndarray] = {}
    values: dict[str, np.ndarray] = {}
    for domain in samples:
        require_one_size(samples[domain], f"images of {domain} in one batch")
        names = {"image": f"real_{domain}", "target": f"true_{OTHER[domain]}"}
        names |= {"mask": f"given_mask_{domain}", "labels": f"given_labels_{domain}"}
        for attribute, name in names.items():
            arrays = [getattr(sample, attribute) for sample in samples[domain]]
            if all(array is None for array in arrays):
                continue
            for sample, array in zip(samples[domain], arrays, strict=True):
                if array is None:
                    raise GanzooError(f"data: {sample.name} of domain {domain} has no {attribute}, but others have one")
            planes[name] = np.stack(arrays)
        keys = [set(sample.values) for sample in samples[domain]]
        for key in sorted(set().union(*keys)):
            if lacking := [sample.name for sample, own in zip(samples[domain], keys, strict=True) if key not in own]:
                raise GanzooError(f"data: {lacking[0]} of domain {domain} has no value {key!r}, but others have one")
            values[f"{key}_{domain}"] = np.array([sample.values[key] for sample in samples[domain]], dtype=np.float32)
    of_images = {domain: [sample.name for sample in of_domain] for domain, of_domain in samples.items()}
    return Batch(rows, planes, values, classes, names=of_images)


def training_batches(
    reader: Reader, order: Sampler, start: int, stop: int, workers: int, total: int
) -> Iterator[tuple[int, list[Batch]]]:
    """Yield (step, micro-batches) for the steps ``start`` … ``stop`` − 1, which ``workers`` threads read in advance.

    ``total`` is the run's length in steps.
    """

    def read(step: int) -> list[Batch]:
        return [reader.training_batch(rows, step, order.seed, step / total) for rows in order.micro_batches(step)]

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
    """Return a row for each image of the larger domain; the images of the smaller one repeat.

    Args:
        counts: domain → number of images.
        limit: the largest number of rows; 0: no limit.

    Returns:
        The rows; none if a domain has no images.
    """
    if not all(counts.values()):
        return []
    longest = min(max(counts.values()), limit or max(counts.values()))
    return [Row(i, i, {domain: i % count for domain, count in counts.items()}) for i in range(longest)]


def spread_rows(counts: Mapping[str, int], limit: int) -> list[Row]:
    """Return at most ``limit`` rows, whose images are spread evenly over each domain; none if a domain has no images.

    No image is in two rows, unless its domain has fewer images than there are rows.

    Args:
        counts: domain → number of images.
        limit: the largest number of rows.
    """
    if not all(counts.values()):
        return []
    rows = min(limit, max(counts.values()))
    last = max(1, rows - 1)
    return [Row(i, i, {one: round(i * (count - 1) / last) for one, count in counts.items()}) for i in range(rows)]


def micro_steps(
    batches: Sequence[Batch], device: torch.device, images: ImageSettings, paired: bool, **fields: Any
) -> list[Step]:
    """Move micro-batches to the device, augment them there, and return their steps; ``make_step`` gets ``fields``."""
    micros = [make_step(batch, device, **fields) for batch in batches]
    for micro in micros:
        augment(micro, images, paired)
    return micros


def make_step(batch: Batch, device: torch.device, **fields: float | int | bool) -> Step:
    """Move a batch to the device and return it as a step; ``fields`` are arguments of ``Step``, such as ``seed``."""
    samples: Sequence[int] = [row.sample for row in batch.rows]
    positions = [row.position for row in batch.rows]
    planes = batch_to_tensors(batch, device)
    return Step(planes, samples=samples, positions=positions, classes=batch.classes, **fields)  # type: ignore[arg-type]


def batch_to_tensors(batch: Batch, device: torch.device) -> dict[str, Tensor]:
    """Convert a batch to tensors on the device, by name.

    They are images (B, C, H, W) in [−1, 1] (label maps are one-hot), masks (B, 1, H, W) in [0, 1], labels (B, 1, H, W)
    int64, and values (B,).
    """
    tensors: dict[str, Tensor] = {}
    for name, array in batch.planes.items():
        plane = torch.from_numpy(array)
        if device.type == "cuda":
            plane = plane.pin_memory().to(device, non_blocking=True)
        if name.startswith("given_labels"):
            tensors[name] = plane[:, None].long()
        elif name.startswith("given_mask"):
            tensors[name] = plane[:, None].float() / 255
        elif name[-1] in batch.classes:
            tensors[name] = one_hot(plane[..., 0].long(), batch.classes[name[-1]])
        else:
            tensors[name] = plane.permute(0, 3, 1, 2).float() / 127.5 - 1
    for name, array in batch.values.items():
        tensors[name] = torch.from_numpy(array).to(device)
    return tensors
