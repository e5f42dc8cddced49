"""Features of real images for metrics: computed once, by all processes together, and cached by image content."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor

from ganzoo.data.loader import Batch, Reader, make_step
from ganzoo.data.sampler import Row
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError, one_line
from ganzoo.interfaces import Metric, Split
from ganzoo.provenance.fingerprint import code_key
from ganzoo.utils.cache import cache_folder
from ganzoo.utils.tensors import cache_tensors, cached_tensors

Columns = Mapping[str, Tensor]


class ReferenceFeatures:
    """Rows of real images, by metric, split and domain.

    Args:
        engine: its processes divide the work.
        reader: reads the images, scaled and cropped as for evaluation.
        batch: images per batch.
    """

    def __init__(self, engine: Engine, reader: Reader, batch: int) -> None:
        self.accelerator, self.device, self.reader, self.batch = engine.accelerator, engine.device, reader, batch
        self._digests: dict[tuple[Split, str, int], str] = {}
        self._cached: dict[tuple[int, Split, str, int], Columns] = {}

    def of(self, metric: Metric, split: Split, domain: str, limit: int = 0) -> Columns:
        """Return a metric's rows of the real images of a domain, in the data's order: the first ``limit``, or all (0).

        Rows of a metric with a ``cache_key`` are also saved on disk, by that key, the metric's code and the images'
        content.
        """
        key = (id(metric), split, domain, limit)
        if key not in self._cached:
            self._cached[key] = self._load_or_compute(metric, split, domain, limit)
        return self._cached[key]

    def _load_or_compute(self, metric: Metric, split: Split, domain: str, limit: int) -> Columns:
        count = self.reader.dataset.count(split, domain)
        count = min(count, limit) if limit else count
        if not metric.cache_key:
            return self._compute(metric, split, domain, count)
        code, content = code_key(type(metric).__module__), self.content(split, domain, count)
        name = hashlib.sha256(f"{code} {metric.cache_key} {content}".encode()).hexdigest()
        file = cache_folder() / "real" / f"{name[:32]}.cached"
        cached: Columns | None = cached_tensors(file)  # None, too, for a damaged file: the rows are computed again
        missing = [cached is None]
        if self.accelerator.num_processes > 1:
            missing = gather_object(missing)
        if cached is not None and not any(missing):
            return cached
        computed = self._compute(metric, split, domain, count)
        if self.accelerator.is_main_process:
            with suppress(OSError):  # with a full disk the next evaluation computes the rows again
                cache_tensors(file, computed)
        return computed

    def _compute(self, metric: Metric, split: Split, domain: str, count: int) -> Columns:
        own_rows: dict[str, dict[int, np.ndarray]] = {}
        problem = ""
        try:
            for batch in self._batches(split, domain, count):
                step = make_step(batch, self.device, index=-1, training=False)
                with torch.no_grad():
                    rows = metric.reference_rows(step, domain)
                for key, column in rows.items():
                    for sample, value in zip(step.samples, to_numpy(column), strict=True):
                        own_rows.setdefault(key, {})[sample] = value
        except Exception as error:  # report it to every process, or the others would wait for this one
            problem = failure_reason(error)
        parts = [(problem, own_rows)]
        if self.accelerator.num_processes > 1:
            parts = gather_object(parts)
        if problems := [one for one, _ in parts if one]:
            raise GanzooError(problems[0])
        names = dict.fromkeys(key for _, part in parts for key in part)
        return {key: stack_rows({i: row for _, part in parts for i, row in part.get(key, {}).items()}) for key in names}

    def content(self, split: Split, domain: str, count: int) -> str:
        """Return a checksum of the first ``count`` images of a domain as they are measured.

        It does not depend on their names and order.
        """
        key = (split, domain, count)
        if key not in self._digests:
            own_digests = [
                hashlib.sha256(str(image.shape).encode() + image.tobytes()).hexdigest()
                for batch in self._batches(split, domain, count)
                for image in batch.planes[f"real_{domain}"]
            ]
            digests = gather_object(own_digests) if self.accelerator.num_processes > 1 else own_digests
            self._digests[key] = hashlib.sha256(" ".join(sorted(digests)).encode()).hexdigest()
        return self._digests[key]

    def _batches(self, split: Split, domain: str, count: int) -> Iterator[Batch]:
        processes, rank = self.accelerator.num_processes, self.accelerator.process_index
        for start in range(rank * self.batch, count, processes * self.batch):
            rows = [Row(i, i, {domain: i}) for i in range(start, min(start + self.batch, count))]
            yield self.reader.evaluation_batch(split, rows)


def failure_reason(error: Exception) -> str:
    """Return the reason of a metric's failure as one line."""
    return str(error) if isinstance(error, GanzooError) else one_line(error)


def to_numpy(column: Tensor) -> np.ndarray:
    """Return rows as a float32 array."""
    return column.detach().float().cpu().numpy()


def stack_rows(column: Mapping[int, np.ndarray]) -> Tensor:
    """Return rows by sample as one tensor, in the data's order."""
    return torch.from_numpy(np.stack([column[i] for i in sorted(column)]))
