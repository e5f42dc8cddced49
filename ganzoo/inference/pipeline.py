"""Translate files in batches, while threads read the next ones and write the last ones; for ``ganzoo translate``."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from ganzoo.errors import is_out_of_memory
from ganzoo.inference.options import MaskOption, StyleOption
from ganzoo.inference.pages import Page


@dataclass(frozen=True)
class BatchLimit:
    """The size of a batch: as many images as it allows, but always one.

    Args:
        images: the most images.
        pixels: the most pixels of a batch of several images; by default those of 16 images of 256×256.
    """

    images: int
    pixels: int = 2**20


CPU_LIMIT = BatchLimit(4, 4 * 64**2)
"""The default on a CPU: batches help with small images there, and are slower with larger ones."""


def batch_limit(device: torch.device, images: int | None = None) -> BatchLimit:
    """Return the limit of batches with at most so many images; by default a device's."""
    if images is None and device.type == "cpu":
        return CPU_LIMIT
    return BatchLimit(images or 8)


def worker_count(device: torch.device, workers: int | None = None) -> int:
    """Return the number of threads that read and write, by default a device's: 0 on a CPU, 2 on others.

    On a CPU, other busy threads slow torch's own ones down, by more than they save (docs/speed.md).
    """
    if workers is None:
        return 0 if device.type == "cpu" else 2
    return workers


@dataclass(frozen=True, eq=False)
class Job:
    """One file to translate with one mask and one style.

    Args:
        order: its place in the order of all jobs.
        number: the file's number, the sample index of its random draws.
        source: the file.
        target: the path of its translation, without a subfolder for the mask and the style.
        mask_option: the masks.
        style: the style.
    """

    order: int
    number: int
    source: Path
    target: Path
    mask_option: MaskOption
    style: StyleOption


@dataclass(frozen=True)
class Item:
    """A page that was read, at the scale of its translation.

    Args:
        job: the job of its file.
        page: the page; ``page.pixels`` are scaled, (h, w, C).
        mask: the user's mask, (1, 1, h, w) in [0, 1]; None: maskers compute it, or there is none.
        shape: height and width of the page in its file.
    """

    job: Job
    page: Page
    mask: Tensor | None
    shape: tuple[int, int]

    @property
    def pixels(self) -> int:
        """The number of pixels that the network translates."""
        return self.page.pixels.shape[0] * self.page.pixels.shape[1]

    @property
    def scaled(self) -> bool:
        """Whether the page was scaled for its translation."""
        return self.shape != self.page.pixels.shape[:2]

    def fits(self, other: Item) -> bool:
        """Return whether the two can be in one batch: they have the same size, and both have a mask or none."""
        same = self.page.pixels.shape == other.page.pixels.shape
        return same and (self.mask is None) == (other.mask is None)


@dataclass(frozen=True)
class Translation:
    """The translation of a page, on the device: (C, h, w) in [−1, 1], and the masks used: role → (K, h, w)."""

    image: Tensor
    masks: dict[str, Tensor]


class Stages(Protocol):
    """What a pipeline does with each job; ``read`` and ``write`` are called in threads, the others in the caller's."""

    def read(self, job: Job) -> Iterator[Item]:
        """Yield the pages of a file."""

    def translate(self, items: Sequence[Item]) -> list[Translation]:
        """Translate pages of equal size in one batch."""

    def place(self, item: Item) -> Path:
        """Return the path of a translation; called in the order of the jobs."""

    def write(self, item: Item, translation: Translation, path: Path) -> None:
        """Write a translation."""

    def fail(self, job: Job, error: Exception) -> None:
        """Record why a job failed; its remaining pages are skipped."""


class Pipeline:
    """Reads, translates and writes files; each stage may fail for one file, and the others are still translated.

    However many files there are, only a few images are in memory: those of a batch, and as many read in advance and to
    be written as keep the threads busy.

    Args:
        stages: what is done with each file.
        workers: the number of threads that read and write; 0: everything runs in turn, in the caller's thread.
        limit: the size of the batches.
    """

    def __init__(self, stages: Stages, *, workers: int, limit: BatchLimit) -> None:
        self.stages = stages
        self.workers = workers
        self._pool: Executor = ThreadPoolExecutor(workers, "ganzoo-translate") if workers else _InTurn()
        self._limit = limit
        self._room = 1
        """The number of images of the latest size that a batch takes."""
        self._failed: set[Job] = set()
        self._writing: deque[tuple[Job, Future[None]]] = deque()

    def run(self, jobs: Iterable[Job]) -> None:
        """Do all jobs, once. If it is interrupted, the images that threads are reading and writing are finished."""
        try:
            for items in self._batches(self._read_ahead(jobs)):
                self._translate(items)
            self._finish_writing(0)
        finally:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def _ahead(self) -> int:
        """Return how many images are read in advance, and how many wait to be written, beside the batch."""
        return self.workers and self.workers + self._room

    def _read_ahead(self, jobs: Iterable[Job]) -> Iterator[Item | _Failure]:
        """Yield the pages of all files in order, and where reading failed, why."""
        remaining = iter(jobs)
        waiting: deque[tuple[Job, Future[_Pages]]] = deque()
        while True:
            for job in islice(remaining, max(0, 1 + self._ahead() - len(waiting))):
                waiting.append((job, self._pool.submit(_read_some, self.stages.read(job), 2)))
            if not waiting:
                return
            job, reading = waiting.popleft()
            pages = reading.result()
            while pages.items or pages.error:
                if pages.rest and job not in self._failed:  # the next pages, while these are translated
                    reading = self._pool.submit(_read_some, pages.rest, max(1, self._ahead()))
                yield from pages.items
                if pages.error:
                    yield _Failure(job, pages.error)
                pages = reading.result() if pages.rest and job not in self._failed else _Pages([])

    def _batches(self, items: Iterable[Item | _Failure]) -> Iterator[list[Item]]:
        """Yield batches of pages that follow each other and fit together; record where reading failed."""
        batch: list[Item] = []
        for item in items:
            if batch and (isinstance(item, _Failure) or not item.fits(batch[0])):
                yield batch
                batch = []
            if isinstance(item, _Failure):
                self._fail(item.job, item.error)
                continue
            batch.append(item)
            self._room = max(1, min(self._limit.images, self._limit.pixels // item.pixels))
            if len(batch) >= self._room:
                yield batch
                batch = []
        if batch:
            yield batch

    def _translate(self, items: Sequence[Item]) -> None:
        """Translate a batch, and let threads write it; if that fails, translate its images one by one."""
        items = [item for item in items if item.job not in self._failed]
        if not items:
            return
        translations: Sequence[Translation] = ()
        try:
            translations = self.stages.translate(items)
        except Exception as error:  # one image must not cost the others, whatever a plugin raises
            if len(items) == 1:
                self._fail(items[0].job, error)
                return
            if is_out_of_memory(error):
                self._limit = replace(self._limit, pixels=sum(item.pixels for item in items) // 2)
        if translations:
            for item, translation in zip(items, translations, strict=True):
                self._write(item, translation)
        else:  # after the handler, as its error keeps the tensors of the batch in memory
            for item in items:
                self._translate([item])

    def _write(self, item: Item, translation: Translation) -> None:
        """Let a thread write a translation; wait if too many are still to be written."""
        if item.job in self._failed:
            return
        try:
            path = self.stages.place(item)
        except Exception as error:  # as above
            self._fail(item.job, error)
            return
        self._writing.append((item.job, self._pool.submit(self.stages.write, item, translation, path)))
        self._finish_writing(self._ahead())

    def _finish_writing(self, most: int) -> None:
        """Wait until at most ``most`` images are still to be written; record failures."""
        while len(self._writing) > most:
            job, writing = self._writing.popleft()
            try:
                writing.result()
            except Exception as error:  # as above, whatever an encoder raises
                self._fail(job, error)

    def _fail(self, job: Job, error: Exception) -> None:
        """Record the first failure of a job."""
        if job not in self._failed:
            self._failed.add(job)
            self.stages.fail(job, error)


class _Failure(NamedTuple):
    """Why a page of a file could not be read."""

    job: Job
    error: Exception


class _Pages(NamedTuple):
    """Pages of a file that were read, the error that ended this, and the pages that may follow."""

    items: list[Item]
    error: Exception | None = None
    rest: Iterator[Item] | None = None


def _read_some(pages: Iterator[Item], most: int) -> _Pages:
    """Read the next pages of a file, at most ``most``."""
    items: list[Item] = []
    try:
        for item in pages:
            items.append(item)
            if len(items) == most:
                return _Pages(items, rest=pages)
    except Exception as error:  # whatever a decoder raises
        return _Pages(items, error)
    return _Pages(items)


class _InTurn(Executor):
    """Runs each task in the caller's thread, when it is submitted."""

    def submit(self, task: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        """Run a task; return its result or error as a future."""
        done: Future[Any] = Future()
        try:
            done.set_result(task(*args, **options))
        except Exception as error:  # the pipeline records it
            done.set_exception(error)
        return done
