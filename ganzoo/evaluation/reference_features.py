"""Features of real images for metrics, which all processes compute together; they are cached, also on disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from typing import TypeVar

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor

from ganzoo.data.loader import Batch, Reader, make_step
from ganzoo.data.sampler import Row
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError, one_line
from ganzoo.evaluation.metric_calls import Columns, MetricCalls
from ganzoo.interfaces import Split
from ganzoo.provenance.fingerprint import code_key
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.console import Console
from ganzoo.utils.tensors import cache_tensors, cached_tensors

Part = TypeVar("Part")


class ReferenceFeatures:
    """Computes the rows that metrics need of real images, and caches them.

    Args:
        engine: the engine, whose processes divide the work.
        reader: the reader of the images, which scales and crops them as for evaluation.
        batch: the number of images per batch.
        console: the console that shows the progress.
    """

    def __init__(self, engine: Engine, reader: Reader, batch: int, console: Console) -> None:
        self.accelerator, self.device, self.reader, self.batch = engine.accelerator, engine.device, reader, batch
        self.console = console
        self._digests: dict[tuple[Split, str, int], str] = {}
        self._cached: dict[tuple[int, Split, str, int], Columns] = {}

    def of(self, calls: MetricCalls, split: Split, domain: str, limit: int = 0) -> Columns:
        """Return a metric's rows of a domain's real images: name of a column → tensor (N, …), one row per image.

        Rows of a metric with a ``cache_key`` are also cached on disk, by this key, the metric's code and the content of
        the images; such rows may have another order than the images. Every process must call this. Raises GanzooError
        on all processes if the metric fails on one of them.

        Args:
            calls: the metric.
            split: the split of the images.
            domain: the domain of the images.
            limit: the number of images to use, the first ones; 0: all.
        """
        key = (id(calls.metric), split, domain, limit)
        if key not in self._cached:
            self._cached[key] = self._load_or_compute(calls, split, domain, limit)
        return self._cached[key]

    def _load_or_compute(self, calls: MetricCalls, split: Split, domain: str, limit: int) -> Columns:
        metric = calls.metric
        count = self.reader.dataset.count(split, domain)
        count = min(count, limit) if limit else count
        if not count:
            raise GanzooError(f"it compares with {split} images of {domain}, and there are none")
        if not metric.cache_key:
            return self._compute(calls, split, domain, count)
        code, content = code_key(type(metric).__module__), self.content(split, domain, count)
        name = sha256(f"{code} {metric.cache_key} {content}".encode()).hexdigest()
        file = cache_folder() / "real" / f"{name[:32]}.cached"
        cached: Columns | None = cached_tensors(file)  # None, too, for a damaged file: the rows are computed again
        missing = [cached is None]
        if self.accelerator.num_processes > 1:
            missing = gather_object(missing)
        if cached is not None and not any(missing):
            return cached
        computed = self._compute(calls, split, domain, count)
        if self.accelerator.is_main_process:
            with suppress(OSError):  # with a full disk the next evaluation computes the rows again
                cache_tensors(file, computed)
        return computed

    def _compute(self, calls: MetricCalls, split: Split, domain: str, count: int) -> Columns:
        own_rows: dict[str, dict[int, np.ndarray]] = {}
        problem = ""
        try:
            with self.console.bar(f"measuring real {split} images", count) as show:
                for batch in self._batches(split, domain, count):
                    step = make_step(batch, self.device, index=-1, training=False)
                    show(min(step.samples))
                    with torch.no_grad():
                        rows = calls.reference_rows(step, domain)
                    for key, column in rows.items():
                        for sample, value in zip(step.samples, to_numpy(column), strict=True):
                            own_rows.setdefault(key, {})[sample] = value
        except Exception as error:  # report it to every process, or the others would wait for this one
            problem = failure_reason(error)
        parts = self._gathered(problem, own_rows)
        names = dict.fromkeys(key for part in parts for key in part)
        return {key: stack_rows({i: row for part in parts for i, row in part.get(key, {}).items()}) for key in names}

    def content(self, split: Split, domain: str, count: int) -> str:
        """Return a checksum of the first ``count`` images of a domain, scaled and cropped as for evaluation.

        It does not depend on the images' names and order. Every process must call this. Raises GanzooError on all
        processes if one of them cannot read an image.
        """
        key = (split, domain, count)
        if key not in self._digests:
            own_digests: list[str] = []
            problem = ""
            try:
                for batch in self._batches(split, domain, count):
                    images = batch.planes[f"real_{domain}"]
                    own_digests += [sha256(str(one.shape).encode() + one.tobytes()).hexdigest() for one in images]
            except Exception as error:  # as in _compute
                problem = failure_reason(error)
            digests = [digest for part in self._gathered(problem, own_digests) for digest in part]
            self._digests[key] = sha256(" ".join(sorted(digests)).encode()).hexdigest()
        return self._digests[key]

    def _gathered(self, problem: str, own: Part) -> list[Part]:
        """Return the parts of all processes. Raises GanzooError on all of them if one has a problem."""
        parts = [(problem, own)]
        if self.accelerator.num_processes > 1:
            parts = gather_object(parts)
        if problems := [one for one, _ in parts if one]:
            raise GanzooError(problems[0])
        return [part for _, part in parts]

    def _batches(self, split: Split, domain: str, count: int) -> Iterator[Batch]:
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        for start in range(rank * self.batch, count, processes * self.batch):
            rows = [Row(i, i, {domain: i}) for i in range(start, min(start + self.batch, count))]
            yield from self.reader.evaluation_batches(split, rows)


def failure_reason(error: Exception) -> str:
    """Return the reason of a metric's failure: a GanzooError's text, or the type and text of any other error."""
    return str(error) if isinstance(error, GanzooError) else one_line(error)


def to_numpy(column: Tensor) -> np.ndarray:
    """Return a column of rows as a float32 array on the CPU."""
    return column.detach().float().cpu().numpy()


def stack_rows(column: Mapping[int, np.ndarray]) -> Tensor:
    """Stack rows, index of a sample → row, into one tensor (N, …) in the order of the indices."""
    return torch.from_numpy(np.stack([column[i] for i in sorted(column)]))
