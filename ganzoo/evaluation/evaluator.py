"""Compute metrics on a split; the values are the same for any number of processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from accelerate.utils import broadcast_object_list, gather_object

from ganzoo.contracts.method_results import check_translation
from ganzoo.contracts.origin import Origin
from ganzoo.data.loader import Reader, evaluation_rows, make_step
from ganzoo.data.sampler import Row, image_counts
from ganzoo.engine.available import AvailableNetworks, missing_for
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError, MissingResourceError, catch_out_of_memory
from ganzoo.evaluation.bootstrap import intervals
from ganzoo.evaluation.metric_calls import Columns, MetricCalls
from ganzoo.evaluation.reference_features import ReferenceFeatures, failure_reason, stack_rows, to_numpy
from ganzoo.interfaces import Direction, Method, Metric, Split
from ganzoo.step import Step
from ganzoo.utils.console import Console

NO_ORIGINS: Mapping[str, Origin] = MappingProxyType({})
RowsBySample = dict[tuple[str, Direction], dict[str, dict[int, np.ndarray]]]
"""(metric, direction) → name of a column → index of a sample → its row."""
NamesBySample = dict[str, dict[int, str]]
"""Domain → index of a sample → the name of its image."""


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation.

    Args:
        values: metric values by name; names end in ``_AB`` or ``_BA`` if the metric measured two directions.
        images: domain → number of images that were measured.
        about: name of a value → its origin: ``metric``; ``implementation`` and ``network`` if the metric states them;
            ``n_fake``, the number of translations, and ``fake``, the domain and split of their sources if that is not
            the measured split; if they were compared with real images, ``n_real``, their number, and ``real``, their
            domain and split; ``caution`` if there is one; and with ``bootstrap``, the number of draws, either
            ``interval`` or, if it has none, ``no_interval``, the reason.
        failed: metric → the reason why it has no values, or none of its second direction.
    """

    values: dict[str, float] = field(default_factory=dict)
    images: dict[str, int] = field(default_factory=dict)
    about: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CollectedRows:
    """Rows that metrics computed from the translations of a split, one per image.

    Args:
        rows: (metric, direction) → name of a column → tensor (N, …), one row for each of N images: those of the split,
            or training images if the metric's ``translated`` says so.
        images: domain → number of the split's images that were translated.
        failed: metric → the reason why it has no rows.
        names: domain → the names of these images, in the order of the rows.
        of_training: the metrics whose rows are of training images, and so have no names.
    """

    rows: Mapping[tuple[str, Direction], Columns]
    images: dict[str, int]
    failed: dict[str, str]
    names: Mapping[str, Sequence[str]]
    of_training: Sequence[str] = ()


class Evaluator:
    """Measures a method with its current networks or their averages, or with the weights that ``load`` reads.

    Args:
        engine: the engine with the method and its networks.
        reader: the reader of the images.
        metrics: the metrics, by name, after ``bind``.
        seed: the seed of the method's random draws.
        batch: the number of images per batch.
        console: the console that shows the progress.
        origins: where the metrics come from, by name; by default their classes.
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
        origins: Mapping[str, Origin] = NO_ORIGINS,
    ) -> None:
        self.engine, self.reader = engine, reader
        self.calls = {name: MetricCalls(metric, origins.get(name)) for name, metric in metrics.items()}
        self._prepared = False
        self.seed, self.batch = seed, batch
        self.console = console or Console(quiet=not engine.accelerator.is_main_process)
        self.references = ReferenceFeatures(engine, reader, batch, self.console)
        self.networks = AvailableNetworks()
        self.directions: tuple[Direction, ...] = tuple(engine.method.directions)
        self.lacks: tuple[str, ...] = ()
        """The networks that a loaded checkpoint lacks, without discriminators."""

    def prepare(self) -> None:
        """Prepare all metrics for evaluations, once. Raises GanzooError if one fails."""
        for calls in () if self._prepared else self.calls.values():
            calls.prepare(self.seed)
        self._prepared = True

    def load(self, checkpoint: Path) -> None:
        """Load a checkpoint's networks; it may lack discriminators, and the networks of one direction.

        Raises MissingResourceError if no direction can be translated, GanzooError if a file is damaged.
        """
        method = self.engine.method
        self.networks.load_engine(checkpoint, self.engine)
        needed = [name for name in self.networks.missing if method.slots[name].kind != "discriminator"]
        self.lacks, self.directions = tuple(needed), tuple(method.directions)
        if needed:
            with self.engine.evaluating(), self.engine.autocast():
                missing = missing_for(method, self.reader.dataset.channels, self.engine.device)
            self.directions = tuple(direction for direction, slot in missing.items() if not slot)
        if not self.directions:
            raise MissingResourceError(f"{checkpoint}: it lacks {', '.join(needed)}, so nothing can be translated")

    def measure(self, split: Split, limit: int = 0, *, bootstrap: int = 0) -> Evaluation:
        """Return the metric values of a split, from at most ``limit`` images per domain (0: all).

        Every process must call this. A metric that fails is reported in ``failed``, and the evaluation goes on. Raises
        GanzooError if the split has no images of a domain, or if two metrics have a value of the same name.

        Args:
            split: the split.
            limit: the largest number of images per domain; 0: all.
            bootstrap: the number of draws for intervals of the values; 0: no intervals.
        """
        return self.compute(self.collect(split, limit), split, bootstrap=bootstrap)

    def compute(self, collected: CollectedRows, split: Split, *, bootstrap: int = 0) -> Evaluation:
        """Return the metric values of the rows that ``collect`` returned for a split, as ``measure`` does."""
        result = Evaluation(images=collected.images, failed=dict(collected.failed))
        for name, calls in self.calls.items():
            for direction in self.measured(calls.metric, result.images):
                if name not in collected.failed:
                    rows = collected.rows.get((name, direction), {})
                    self._compute(result, name, rows, direction, split, bootstrap)
        if self.engine.accelerator.num_processes > 1:  # all must decide alike, also after a failure of one of them
            (result,) = broadcast_object_list([result])
        return result

    def collect(self, split: Split, limit: int = 0) -> CollectedRows:
        """Translate images and return the metrics' rows, in the data's order, from all processes.

        They are a split's images, and training images for the metrics whose ``translated`` says so. Every process must
        call this. Raises GanzooError if a split has no images of a domain.

        Args:
            split: the split.
            limit: the largest number of images per domain; 0: all.
        """
        for calls in self.calls.values():
            calls.begin()
        by_sample: RowsBySample = {}
        failed: dict[str, str] = {}
        names: NamesBySample = {}
        other = (
            {} if split == "train" else {n: one for n, one in self.calls.items() if one.metric.translated == "train"}
        )
        measuring = {name: one for name, one in self.calls.items() if name not in other}
        with self.engine.evaluating():
            used = self._translate(split, limit, measuring, by_sample, failed, names)
            if other:
                self._translate("train", limit, other, by_sample, failed, {})
        self._gather(by_sample, failed, names)
        stacked = {
            owner: {key: stack_rows(column) for key, column in columns.items()}
            for owner, columns in by_sample.items()
            if owner[0] not in failed
        }
        ordered = {domain: [one[i] for i in sorted(one)] for domain, one in names.items()}
        return CollectedRows(stacked, used, failed, ordered, tuple(other))

    def _translate(
        self,
        split: Split,
        limit: int,
        measuring: Mapping[str, MetricCalls],
        by_sample: RowsBySample,
        failed: dict[str, str],
        names: NamesBySample,
    ) -> dict[str, int]:
        """Add the rows of this process's share of a split, failures, and names; return domain → number of images."""
        counts = image_counts(self.reader.dataset, split)
        used = {domain: min(count, limit) if limit else count for domain, count in counts.items()}
        rows = evaluation_rows(counts, limit)
        if not rows:
            raise GanzooError(
                f"data: the split {split!r} has no images to evaluate on; add some, or set another: --split train"
            )
        names.update({domain: {} for domain in used})
        if not measuring:
            return used
        processes, rank = self.engine.accelerator.num_processes, self.engine.accelerator.process_index
        with self.console.bar(f"measuring {split} images", len(rows)) as show:
            for start in range(rank * self.batch, len(rows), processes * self.batch):
                show(start)
                batch, only = rows[start : start + self.batch], self.directions if self.lacks else None
                try:
                    with catch_out_of_memory("a batch does not fit into the memory", lambda: "lower evaluate.batch"):
                        for step in evaluation_steps(self.engine, self.reader, split, batch, self.seed, only):
                            self._collect(measuring, by_sample, step, used, failed)
                            for domain, of_step in step.names.items():
                                named = zip(step.samples, of_step, strict=True)
                                names[domain] |= {i: name for i, name in named if i < used[domain]}
                except GanzooError as error:  # such as an image that cannot be read: the other processes must know
                    failed.update(dict.fromkeys(measuring, str(error)))
                    break
        return used

    def _collect(
        self,
        measuring: Mapping[str, MetricCalls],
        by_sample: RowsBySample,
        step: Step,
        used: Mapping[str, int],
        failed: dict[str, str],
    ) -> None:
        if tensor := first_non_finite(step, self.engine.method.tensors):
            for name in measuring:
                failed.setdefault(name, f"{tensor} is not finite, so it cannot be measured")
        for name, calls in measuring.items():
            for direction in self.measured(calls.metric, used):
                if name in failed or min(step.samples) >= used[direction[0]]:
                    continue
                try:
                    rows = calls.rows(step, direction)
                except Exception as error:  # a plugin's metric may raise anything; the other values must not be lost
                    failed[name] = self._reason(name, error)
                    continue
                for key, column in rows.items():
                    column_rows = by_sample.setdefault((name, direction), {}).setdefault(key, {})
                    for sample, value in zip(step.samples, to_numpy(column), strict=True):
                        if sample < used[direction[0]]:  # images of the smaller domain repeat: count each once
                            column_rows[sample] = value

    def _gather(self, by_sample: RowsBySample, failed: dict[str, str], names: NamesBySample) -> None:
        """Add the rows, failures and names of images of the other processes to those of this process."""
        if self.engine.accelerator.num_processes == 1:
            return
        for rows, failures, of_images in gather_object([(dict(by_sample), dict(failed), dict(names))]):
            failed.update(failures)
            for domain, named in of_images.items():
                names[domain] |= named
            for owner, columns in rows.items():
                for key, column in columns.items():
                    by_sample.setdefault(owner, {}).setdefault(key, {}).update(column)

    def _compute(
        self, result: Evaluation, name: str, columns: Columns, direction: Direction, split: Split, bootstrap: int
    ) -> None:
        """Compute a metric's values for a direction from its rows; add them, or why that failed, to ``result``."""
        calls, target = self.calls[name], direction[1]
        metric = calls.metric
        several = len(measured_directions(metric, self.engine.method, result.images)) > 1
        about: dict[str, Any] = {"metric": name, **metric.about, "n_fake": result.images[direction[0]]}
        if metric.translated != "measured" and split != metric.translated:
            counted = max(map(len, columns.values()), default=0)
            about |= {"n_fake": counted, "fake": f"{direction[0]} of {metric.translated}"}
        real: Columns = {}
        try:
            if metric.reference:
                of_split = split if metric.reference == "measured" else metric.reference
                limit = result.images[target] if metric.reference == "measured" else 0
                real = self.references.of(calls, of_split, target, limit)
                about |= {"n_real": len(next(iter(real.values()))), "real": f"{target} of {of_split}"}
            if name in result.failed:  # in another direction, and perhaps on this process only: all need the above
                return
            with self.engine.evaluating():  # a metric may use the networks here, too
                values, caution = calls.compute(columns, real)
                spread = self._intervals(calls, columns, real, bootstrap)
            if caution:
                about["caution"] = caution
        except Exception as error:  # as above
            result.failed[name] = self._reason(name, error)
            return
        owners = {key: str(one["metric"]) for key, one in result.about.items()}
        named = value_names(values, name, direction if several else "", owners)
        for own, (key, value) in zip(values, named.items(), strict=True):
            result.values[key], result.about[key] = value, about | spread.get(own, spread.get("", {}))

    def _intervals(self, calls: MetricCalls, rows: Columns, real: Columns, draws: int) -> dict[str, dict[str, Any]]:
        """Return name of a value → the fields about its interval; under ``""`` those of values without one."""
        if not draws:
            return {}
        try:
            found = intervals(calls, rows, real, draws, self.seed)
        except Exception as error:  # the value itself is known
            return {"": {"bootstrap": draws, "no_interval": failure_reason(error)}}
        missing = {"": {"bootstrap": draws, "no_interval": "the images of a draw have no value"}}
        return missing | {name: {"bootstrap": draws, "interval": list(one)} for name, one in found.items()}

    def measured(self, metric: Metric, domains: Mapping[str, int]) -> list[Direction]:
        """Return the directions to measure: those that can be translated."""
        return [one for one in measured_directions(metric, self.engine.method, domains) if one in self.directions]

    def _reason(self, name: str, error: Exception) -> str:
        """Return why a metric failed, without its name, which is reported beside it."""
        reason = failure_reason(error).removeprefix("evaluate.metrics: ").removeprefix(f"{name}: ")
        if not self.lacks:
            return reason
        return f"{reason} (the checkpoint lacks {', '.join(self.lacks)}, so there are only translations)"


def value_names(
    values: Mapping[str, float], metric: str, direction: str, owners: MutableMapping[str, str]
) -> dict[str, float]:
    """Return a metric's values by the names that evaluations give them, and enter these into ``owners``.

    Args:
        values: the values, by the metric's own names.
        metric: the metric's name.
        direction: the measured direction; empty if it is the only one.
        owners: name of a value → the metric that gives it.

    Raises GanzooError if another metric gives a value of the same name.
    """
    named = {f"{label}_{direction}" if direction else label: value for label, value in values.items()}
    for key in named:
        if key in owners:
            raise GanzooError(
                f"evaluate.metrics: two metrics give the value {key!r}, {owners[key]} and {metric}; remove one of them"
            )
        owners[key] = metric
    return named


def evaluation_steps(
    engine: Engine,
    reader: Reader,
    split: Split,
    rows: Sequence[Row],
    seed: int,
    only: Sequence[Direction] | None = None,
) -> Iterator[Step]:
    """Read some images of a split, and yield a step with the method's forward on them: one for each size.

    Random draws depend on the seed and each row's sample index only. Call this inside ``engine.evaluating()``. With
    ``only``, a step has the translations of these directions, and no other tensors of the method.
    """
    for batch in reader.evaluation_batches(split, rows):
        step = make_step(batch, engine.device, seed=seed, index=-1, training=False)
        step.names = batch.names
        engine.arrange(step)
        with engine.autocast(), engine.catching("translate" if only else "forward"):
            if only is None:
                engine.method.forward(step)
            for direction in only or ():
                if f"real_{direction[0]}" in step:
                    images, channels = step[f"real_{direction[0]}"], reader.dataset.channels
                    translated = engine.method.translate(images, direction, step)
                    check_translation(translated, images, direction, channels, engine.origins["method"])
                    step[engine.method.translated(direction)] = translated
        yield step


def first_non_finite(step: Step, names: Iterable[str]) -> str:
    """Return the name of the first tensor with a NaN or infinity, or ``""``: some metrics would not notice it."""
    return next((name for name in names if name in step and not bool(step[name].isfinite().all())), "")


def measured_directions(metric: Metric, method: Method, domains: Mapping[str, int]) -> list[Direction]:
    """Return the directions that the metric measures, the method translates, and whose source domain has images."""
    return [one for one in metric.directions if one in method.directions and one[0] in domains]
