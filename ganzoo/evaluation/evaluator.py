"""Compute metrics on a split; the values are the same for any number of processes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from accelerate.utils import gather_object

from ganzoo.data.loader import Reader, evaluation_rows, make_step
from ganzoo.data.sampler import Row, image_counts
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.reference_features import Columns, ReferenceFeatures, failure_reason, stack_rows, to_numpy
from ganzoo.interfaces import Direction, Method, Metric, Split
from ganzoo.step import Step
from ganzoo.utils.console import Console

RowsBySample = dict[tuple[str, Direction], dict[str, dict[int, np.ndarray]]]
"""(metric, direction) → column → sample → row."""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Args:
        values: metric values by name; names end in ``_AB`` or ``_BA`` if the metric measured two directions.
        images: domain → number of images measured.
        about: name of a value → its origin: ``metric``, ``implementation`` and ``network`` if the metric states them,
            ``n_fake``, ``n_real`` if it was compared with real images, and ``caution`` if there is one.
        failed: metric → the reason why it has no values.
    """

    values: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectedRows:
    """Rows that metrics computed from the translations of a split, one per image.

    Args:
        rows: the columns of a metric in a direction, by (metric, direction).
        images: domain → number of images translated.
        failed: metric → the reason why it has no rows.
    """

    rows: Mapping[tuple[str, Direction], Columns]
    images: dict[str, int]
    failed: dict[str, str]


class Evaluator:
    """Measures a method with its current weights.

    Args:
        engine: has the method and its networks.
        reader: reads the images.
        metrics: prepared metrics by their names in the recipe.
        seed: seed of the method's random draws.
        batch: images per batch.
        console: shows the progress.
    """

    def __init__(
        self,
        engine: Engine,
        reader: Reader,
        metrics: Mapping[str, Metric],
        *,
        seed: int,
        batch: int = 16,
        console: Console | None = None,
    ) -> None:
        self.engine, self.reader, self.metrics = engine, reader, dict(metrics)
        self.seed, self.batch = seed, batch
        self.console = console or Console(quiet=not engine.accelerator.is_main_process)
        self.references = ReferenceFeatures(engine, reader, batch, self.console)

    def measure(self, split: Split, limit: int = 0) -> Evaluation:
        """Return the metric values of a split, from at most ``limit`` images per domain (0: all).

        A metric that fails is reported in ``failed``; the others continue. Raises GanzooError for a split without
        images.
        """
        collected = self.collect(split, limit)
        result = Evaluation(images=collected.images, failed=collected.failed)
        for name, metric in self.metrics.items():
            for direction in measured_directions(metric, self.engine.method, result.images):
                if name not in result.failed:
                    self._compute(result, name, collected.rows.get((name, direction), {}), direction, split)
        return result

    def collect(self, split: Split, limit: int = 0) -> CollectedRows:
        """Return the metrics' rows of a split's translations, in the data's order, from all processes.

        Arguments and errors as for ``measure``.
        """
        counts = image_counts(self.reader.dataset, split)
        used = {domain: min(count, limit) if limit else count for domain, count in counts.items()}
        rows = evaluation_rows(counts, limit)
        if not rows:
            raise GanzooError(
                f"data: the split {split!r} has no images to evaluate on; add some, or set another: --split train"
            )
        by_sample: RowsBySample = {}
        failed: dict[str, str] = {}
        processes, rank = self.engine.accelerator.num_processes, self.engine.accelerator.process_index
        with self.engine.evaluating(), self.console.bar(f"measuring {split} images", len(rows)) as show:
            for start in range(rank * self.batch, len(rows), processes * self.batch):
                show(start)
                step = evaluation_step(self.engine, self.reader, split, rows[start : start + self.batch], self.seed)
                self._collect(by_sample, step, used, failed)
        self._gather(by_sample, failed)
        stacked = {
            owner: {key: stack_rows(column) for key, column in columns.items()}
            for owner, columns in by_sample.items()
            if owner[0] not in failed
        }
        return CollectedRows(stacked, used, failed)

    def _collect(self, by_sample: RowsBySample, step: Step, used: Mapping[str, int], failed: dict[str, str]) -> None:
        if tensor := first_non_finite(step, self.engine.method.tensors):
            for name in self.metrics:
                failed.setdefault(name, f"{tensor} is not finite, so it cannot be measured")
        for name, metric in self.metrics.items():
            for direction in measured_directions(metric, self.engine.method, used):
                if name in failed or min(step.samples) >= used[direction[0]]:
                    continue
                try:
                    rows = metric.rows(step, direction)
                except Exception as error:  # a plugin's metric may raise anything; the other values must not be lost
                    failed[name] = _reason(name, error)
                    continue
                for key, column in rows.items():
                    column_rows = by_sample.setdefault((name, direction), {}).setdefault(key, {})
                    for sample, value in zip(step.samples, to_numpy(column), strict=True):
                        if sample < used[direction[0]]:  # images of the smaller domain repeat: count each once
                            column_rows[sample] = value

    def _gather(self, by_sample: RowsBySample, failed: dict[str, str]) -> None:
        """Add the rows and failures of the other processes."""
        if self.engine.accelerator.num_processes == 1:
            return
        for rows, failures in gather_object([(dict(by_sample), dict(failed))]):
            failed.update(failures)
            for owner, columns in rows.items():
                for key, column in columns.items():
                    by_sample.setdefault(owner, {}).setdefault(key, {}).update(column)

    def _compute(self, result: Evaluation, name: str, columns: Columns, direction: Direction, split: Split) -> None:
        """Compute a metric's values for a direction from its rows, and add them to the result."""
        metric, target = self.metrics[name], direction[1]
        suffix = f"_{direction}" if len(measured_directions(metric, self.engine.method, result.images)) > 1 else ""
        about: dict[str, Any] = {"metric": name, **metric.about, "n_fake": result.images[direction[0]]}
        real: Columns = {}
        try:
            if metric.reference:
                of_split = split if metric.reference == "measured" else metric.reference
                limit = result.images[target] if metric.reference == "measured" else 0
                real = self.references.of(metric, of_split, target, limit)
                about |= {"n_real": len(next(iter(real.values()))), "real": f"{target} of {of_split}"}
            values = metric.compute(columns, real)
            if caution := metric.caution(columns, real):
                about["caution"] = caution
        except Exception as error:  # as above
            result.failed[name] = _reason(name, error)
            return
        for label, value in values.items():
            key = f"{label}{suffix}"
            if key in result.values:
                raise GanzooError(f"evaluate.metrics: two metrics give the value {key!r}; remove one of them")
            result.values[key], result.about[key] = value, about


def _reason(name: str, error: Exception) -> str:
    """Return why a metric failed, without its name, which is reported beside it."""
    return failure_reason(error).removeprefix("evaluate.metrics: ").removeprefix(f"{name}: ")


def format_evaluation(title: str, result: Evaluation) -> str:
    """Return the values of an evaluation as lines of text, with the numbers of images."""
    lines = [f"{title} ({', '.join(f'{count} {domain}' for domain, count in result.images.items())}):"]
    for name, value in result.values.items():
        about = result.about[name]
        real = f", {about['n_real']} real" if "n_real" in about else ""
        lines.append(f"  {name:<28} {value:<10.5g} {about['n_fake']} translated{real}")
    return "\n".join([*lines, *(f"  caution: {one}" for one in cautions(result.about))])


def cautions(about: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return what must be known about the values of an evaluation, each line once."""
    return list(dict.fromkeys(one["caution"] for one in about.values() if "caution" in one))


def evaluation_step(engine: Engine, reader: Reader, split: Split, rows: Sequence[Row], seed: int) -> Step:
    """Return a step of rows of a split after the method's forward; its random draws depend on the image alone."""
    batch = reader.evaluation_batch(split, rows)
    step = make_step(batch, engine.device, seed=seed, index=-1, training=False)
    with engine.autocast():
        engine.method.forward(step)
    return step


def first_non_finite(step: Step, names: Iterable[str]) -> str:
    """Return the name of the first tensor that is not finite, or ``""``: a metric may hide it by a comparison."""
    return next((name for name in names if name in step and not bool(step[name].isfinite().all())), "")


def measured_directions(metric: Metric, method: Method, domains: Mapping[str, int]) -> list[Direction]:
    """Return the directions that metric and method share and for which the data has images."""
    return [one for one in metric.directions if one in method.directions and one[0] in domains]
