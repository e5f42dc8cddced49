"""Run metrics over a split; the same figures for any number of processes."""

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

Keyed = dict[tuple[str, Direction], dict[str, dict[int, np.ndarray]]]


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    Args:
        figures: by name; of a metric that measured two directions they end in ``_AB`` or ``_BA``.
        images: how many of each domain were measured.
        about: figure → what it is of: the metric, its implementation and network where it has one, ``n_fake``, and
            ``n_real`` where real images were compared with.
        failed: metric → why it has no figures.
    """

    values: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectedRows:
    """What metrics found of the translations of a split, image by image.

    Args:
        rows: by metric and direction.
        images: how many of each domain were translated.
        failed: metric → why it has no rows.
    """

    rows: Mapping[tuple[str, Direction], Columns]
    images: dict[str, int]
    failed: dict[str, str]


class Evaluator:
    """Measures a method as it stands, with metrics that are prepared.

    Args:
        engine: holds the method and its networks.
        reader: gives the images.
        metrics: by their names in the recipe.
        seed: keys what methods draw.
        batch: images at a time.
    """

    def __init__(
        self, engine: Engine, reader: Reader, metrics: Mapping[str, Metric], *, seed: int, batch: int = 16
    ) -> None:
        self.engine, self.reader, self.metrics = engine, reader, dict(metrics)
        self.seed, self.batch = seed, batch
        self.references = ReferenceFeatures(engine, reader, batch)

    def measure(self, split: Split, limit: int = 0) -> Evaluation:
        """Return what the metrics find on a split, of at most ``limit`` images a domain (0: all).

        A metric that fails is named with its reason; the others go on. Raises GanzooError for a split without images.
        """
        collected = self.collect(split, limit)
        found = Evaluation(images=collected.images, failed=collected.failed)
        for name, metric in self.metrics.items():
            for direction in measured_directions(metric, self.engine.method, found.images):
                if name not in found.failed:
                    self._conclude(found, name, collected.rows.get((name, direction), {}), direction, split)
        return found

    def collect(self, split: Split, limit: int = 0) -> CollectedRows:
        """Return the metrics' rows of a split's translations, in the data's order, from all processes; as ``measure``.

        Raises GanzooError for a split without images.
        """
        counts = image_counts(self.reader.dataset, split)
        used = {domain: min(count, limit) if limit else count for domain, count in counts.items()}
        rows = evaluation_rows(counts, limit)
        if not rows:
            raise GanzooError(f"data: the split {split!r} has no images to evaluate on")
        mine: Keyed = {}
        failed: dict[str, str] = {}
        processes, rank = self.engine.accelerator.num_processes, self.engine.accelerator.process_index
        with self.engine.evaluating():
            for start in range(rank * self.batch, len(rows), processes * self.batch):
                step = evaluation_step(self.engine, self.reader, split, rows[start : start + self.batch], self.seed)
                self._collect(mine, step, used, failed)
        self._gather(mine, failed)
        together = {
            owner: {key: stack_rows(column) for key, column in columns.items()}
            for owner, columns in mine.items()
            if owner[0] not in failed
        }
        return CollectedRows(together, used, failed)

    def _collect(self, mine: Keyed, step: Step, used: Mapping[str, int], failed: dict[str, str]) -> None:
        if broken := first_non_finite(step, self.engine.method.tensors):
            for name in self.metrics:
                failed.setdefault(name, f"{broken} is not finite: there is nothing to measure")
        for name, metric in self.metrics.items():
            for direction in measured_directions(metric, self.engine.method, used):
                if name in failed or min(step.samples) >= used[direction[0]]:
                    continue
                try:
                    rows = metric.rows(step, direction)
                except Exception as error:  # a plugin's metric may do anything; the others' figures must not be lost
                    failed[name] = _reason(name, error)
                    continue
                for key, column in rows.items():
                    kept = mine.setdefault((name, direction), {}).setdefault(key, {})
                    for sample, value in zip(step.samples, to_numpy(column), strict=True):
                        if sample < used[direction[0]]:  # the smaller domain comes round again: count it once
                            kept[sample] = value

    def _gather(self, mine: Keyed, failed: dict[str, str]) -> None:
        """Bring together what the processes have found."""
        if self.engine.accelerator.num_processes == 1:
            return
        for rows, troubles in gather_object([(dict(mine), dict(failed))]):
            failed.update(troubles)
            for owner, columns in rows.items():
                for key, column in columns.items():
                    mine.setdefault(owner, {}).setdefault(key, {}).update(column)

    def _conclude(self, found: Evaluation, name: str, columns: Columns, direction: Direction, split: Split) -> None:
        metric, target = self.metrics[name], direction[1]
        suffix = f"_{direction}" if len(measured_directions(metric, self.engine.method, found.images)) > 1 else ""
        about: dict[str, Any] = {"metric": name, **metric.about, "n_fake": found.images[direction[0]]}
        real: Columns = {}
        try:
            if metric.reference:
                of_split = split if metric.reference == "measured" else metric.reference
                limit = found.images[target] if metric.reference == "measured" else 0
                real = self.references.of(metric, of_split, target, limit)
                about |= {"n_real": len(next(iter(real.values()))), "real": f"{target} of {of_split}"}
            values = metric.compute(columns, real)
        except Exception as error:  # as above
            found.failed[name] = _reason(name, error)
            return
        for called, value in values.items():
            key = f"{called}{suffix}"
            if key in found.values:
                raise GanzooError(f"evaluate.metrics: two metrics give the figure {key!r}; leave one of them out")
            found.values[key], found.about[key] = value, about


def _reason(name: str, error: Exception) -> str:
    """Return why a metric failed, without its name, which is said beside it."""
    return failure_reason(error).removeprefix("evaluate.metrics: ").removeprefix(f"{name}: ")


def format_evaluation(what: str, found: Evaluation) -> str:
    """Return lines that say what was found, with the numbers of images."""
    said = [f"{what} ({', '.join(f'{count} {domain}' for domain, count in found.images.items())}):"]
    for name, value in found.values.items():
        about = found.about[name]
        real = f", {about['n_real']} real" if "n_real" in about else ""
        said.append(f"  {name:<28} {value:<10.5g} {about['n_fake']} translated{real}")
    return "\n".join(said)


def evaluation_step(engine: Engine, reader: Reader, split: Split, rows: Sequence[Row], seed: int) -> Step:
    """Return the step of some rows of a split, run through the method, its draws keyed by image alone."""
    batch = reader.evaluation_batch(split, rows)
    step = make_step(batch, engine.device, seed=seed, index=-1, training=False)
    with engine.autocast():
        engine.method.forward(step)
    return step


def first_non_finite(step: Step, names: Iterable[str]) -> str:
    """Return the first of some tensors of a step that is not finite, or ``""``: comparisons would make it a number."""
    return next((name for name in names if name in step and not bool(step[name].isfinite().all())), "")


def measured_directions(metric: Metric, method: Method, domains: Mapping[str, int]) -> list[Direction]:
    """Return the directions that the metric measures, the method goes, and the data has images for."""
    return [one for one in metric.directions if one in method.directions and one[0] in domains]
