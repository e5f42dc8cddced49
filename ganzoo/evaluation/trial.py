"""Try the metrics before training, on a few images: one that cannot work fails before there is a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch

from ganzoo.data.loader import evaluation_rows, make_step
from ganzoo.data.sampler import Row, image_counts
from ganzoo.errors import ComponentError, GanzooError, catch_out_of_memory
from ganzoo.evaluation.evaluator import Evaluator, evaluation_steps, first_non_finite, value_names
from ganzoo.evaluation.metric_calls import Columns, MetricCalls
from ganzoo.evaluation.reference_features import stack_rows, to_numpy
from ganzoo.interfaces import Direction, Split
from ganzoo.step import Step

IMAGES = 4
"""Number of images of a domain that metrics are tried on."""
BATCH = 2
"""Number of images in a batch: with two batches, rows whose names change are noticed."""
ORDER: tuple[Split, ...] = ("validation", "test", "train")
"""The splits that they may be of; the first with enough images is taken."""
SMALLER = "lower images.size, or remove the metric"


def try_metrics(evaluator: Evaluator, best: str | None) -> None:
    """Prepare all metrics, and compute the rows and values of some images, which are discarded.

    They are validation images if there are two of each domain, else test or training images. Without metrics nothing is
    read or computed.

    A metric that needs more images for a value passes; so do all if the translations are not finite. Each process
    computes the same.

    Args:
        evaluator: the evaluator of a run that has not started.
        best: the recipe's ``evaluate.best``.

    Raises GanzooError if a metric fails, if two of them give a value of the same name, or if none gives the value that
    ``best`` names.
    """
    if not evaluator.calls:
        return
    owners: dict[str, str] = {}
    complete = True
    counts = {one: image_counts(evaluator.reader.dataset, one) for one in ORDER}
    split: Split = next((one for one in ORDER if min(counts[one].values()) >= BATCH), "train")
    evaluator.prepare()
    with (
        torch.random.fork_rng(devices=[]),
        torch.no_grad(),
        catch_out_of_memory("a metric does not fit into the memory", lambda: SMALLER),
        evaluator.engine.evaluating(),
    ):
        steps = list(_steps(evaluator, split))
        if any(first_non_finite(step, evaluator.engine.method.tensors) for step in steps):
            return
        for name, calls in evaluator.calls.items():
            directions = evaluator.measured(calls.metric, counts[split])
            for direction in directions:
                try:
                    values = _values(evaluator, calls, steps, direction, split)
                except ComponentError:
                    raise
                except GanzooError as error:
                    reason = str(error).removeprefix("evaluate.metrics: ").removeprefix(f"{name}: ")
                    error.args = (f"evaluate.metrics: {name}: {reason}",)
                    raise
                complete = complete and bool(values)
                value_names(values, name, direction if len(directions) > 1 else "", owners)
    if best and complete:
        require_value(best, owners)


def require_value(best: str, names: Iterable[str]) -> None:
    """Raise GanzooError if ``evaluate.best``, ``min NAME`` or ``max NAME``, names none of the values."""
    if (name := best.split()[1]) not in (known := list(names)):
        raise GanzooError(f"evaluate.best: there is no value {name!r}; there are: {', '.join(known)}")


def _steps(evaluator: Evaluator, split: Split) -> Iterator[Step]:
    reader = evaluator.reader
    rows = evaluation_rows(image_counts(reader.dataset, split), IMAGES)
    for start in range(0, len(rows), BATCH):
        yield from evaluation_steps(evaluator.engine, reader, split, rows[start : start + BATCH], evaluator.seed)


def _values(
    evaluator: Evaluator, calls: MetricCalls, steps: list[Step], direction: Direction, split: Split
) -> Mapping[str, float]:
    """Return a metric's values of the steps; none if it needs more images for them."""
    rows = _joined([(step, calls.rows(step, direction)) for step in steps])
    real: Columns = {}
    if calls.metric.reference:
        of_split = split if calls.metric.reference == "measured" else calls.metric.reference
        real = _joined(
            [(step, calls.reference_rows(step, direction[1])) for step in _real(evaluator, of_split, direction[1])]
        )
    try:
        return calls.compute(rows, real)[0]
    except ComponentError:
        raise
    except GanzooError:  # a value of so few images would have no meaning
        return {}


def _real(evaluator: Evaluator, split: Split, domain: str) -> Iterator[Step]:
    reader = evaluator.reader
    count = min(IMAGES, reader.dataset.count(split, domain))
    for start in range(0, count, BATCH):
        rows = [Row(i, i, {domain: i}) for i in range(start, min(start + BATCH, count))]
        for batch in reader.evaluation_batches(split, rows):
            yield make_step(batch, evaluator.engine.device, index=-1, training=False)


def _joined(parts: list[tuple[Step, Columns]]) -> Columns:
    """Return the rows of all steps, as ``compute`` gets them."""
    by_sample: dict[str, dict[int, np.ndarray]] = {}
    for step, columns in parts:
        for name, column in columns.items():
            by_sample.setdefault(name, {}).update(zip(step.samples, to_numpy(column), strict=True))
    return {name: stack_rows(column) for name, column in by_sample.items()}
