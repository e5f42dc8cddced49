"""Run the metrics of a recipe over a split; the same figures for any number of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from accelerate.utils import gather_object
from torch import Tensor

from ganzoo.data.augment import make_step
from ganzoo.data.loading import Reader, evaluation_rows
from ganzoo.data.order import Row, picture_counts
from ganzoo.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Split
from ganzoo.step import Step

Keyed = dict[tuple[int, Direction, str], dict[int, np.ndarray]]


def evaluate(
    engine: Engine,
    reader: Reader,
    metrics: Sequence[Metric],
    split: Split,
    *,
    seed: int,
    batch: int = 16,
    limit: int = 0,
) -> tuple[dict[str, float], dict[str, int]]:
    """Return the figures of metrics (prepared) over a split, and the number of pictures of each domain.

    A figure of a metric that knows both directions ends in ``_AB`` or ``_BA``.
    """
    counts = picture_counts(reader.dataset, split)
    used = {domain: min(count, limit) if limit else count for domain, count in counts.items()}
    rows = evaluation_rows(counts, limit)
    if not rows:
        raise GanzooError(f"data: the split {split!r} has no pictures to evaluate on")
    mine: Keyed = {}
    processes, rank = engine.accelerator.num_processes, engine.accelerator.process_index
    with engine.evaluating():
        for start in range(rank * batch, len(rows), processes * batch):
            step = evaluation_step(engine, reader, split, rows[start : start + batch], seed)
            _collect(mine, metrics, engine.method, step, used)
    merged = _gather(mine, engine)
    figures: dict[str, float] = {}
    for i, metric in enumerate(metrics):
        for direction in ways(metric, engine.method, used):
            columns = {
                name: torch.from_numpy(np.stack([column[j] for j in sorted(column)]))
                for (owner, way, name), column in merged.items()
                if (owner, way) == (i, direction)
            }
            suffix = f"_{direction}" if len(ways(metric, engine.method, used)) > 1 else ""
            found = {f"{name}{suffix}": value for name, value in metric.compute(columns).items()}
            if twice := sorted(found.keys() & figures.keys()):
                raise GanzooError(f"evaluate.metrics: two metrics give the figure {twice[0]!r}; leave one of them out")
            figures |= found
    return figures, used


def evaluation_step(engine: Engine, reader: Reader, split: Split, rows: Sequence[Row], seed: int) -> Step:
    """Return the step of some rows of a split, run through the method, its draws keyed by picture alone."""
    batch = reader.evaluation_batch(split, rows)
    step = make_step(batch, engine.device, seed=seed, index=-1, training=False)
    with engine.autocast():
        engine.method.forward(step)
    return step


def ways(metric: Metric, method: Method, domains: Mapping[str, int]) -> list[Direction]:
    """Return the directions that the metric measures, the method goes, and the data has pictures for."""
    return [one for one in metric.directions if one in method.directions and one[0] in domains]


def _collect(found: Keyed, metrics: Sequence[Metric], method: Method, step: Step, used: dict[str, int]) -> None:
    for i, metric in enumerate(metrics):
        for direction in ways(metric, method, used):
            for name, column in metric.rows(step, direction).items():
                kept = found.setdefault((i, direction, name), {})
                for sample, value in zip(step.samples, _host(column), strict=True):
                    if sample < used[direction[0]]:  # the smaller domain comes round again: count it once
                        kept[sample] = value


def _host(column: Tensor) -> np.ndarray:
    return column.detach().float().cpu().numpy()


def _gather(mine: Keyed, engine: Engine) -> Keyed:
    if engine.accelerator.num_processes == 1:
        return mine
    merged: Keyed = {}
    for part in gather_object([mine]):
        for key, column in part.items():
            merged.setdefault(key, {}).update(column)
    return merged
