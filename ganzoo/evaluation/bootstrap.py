"""Bootstrap intervals of metric values: the metric computed again from images that are drawn with replacement."""

from __future__ import annotations

import numpy as np
import torch

from ganzoo.errors import GanzooError
from ganzoo.evaluation.metric_calls import Columns, MetricCalls
from ganzoo.interfaces import keyed

SHARE = 0.95
"""The share of the draws inside an interval."""
Interval = tuple[float, float]


def intervals(calls: MetricCalls, rows: Columns, real: Columns, draws: int, seed: int) -> dict[str, Interval]:
    """Return the 95 % percentile interval of each value of a metric: its 2.5 and 97.5 % quantiles over the draws.

    Each draw takes as many images as there are, with replacement; of translations and of real images separately. The
    images depend on the seed, the number of the draw and the number of images only, so metrics share them.

    Args:
        calls: the metric.
        rows: the rows of translations, name → (N, …).
        real: the rows of real images, likewise; empty if the metric compares with none.
        draws: the number of draws.
        seed: the seed of the draws.

    A value that some draws do not have gets no interval.

    Raises GanzooError, with the reason, if repeated images bias the metric, if there is one image only, or if the
    metric has no value of the images of a draw.
    """
    metric = calls.metric
    if not (metric.bootstrap or (metric.bootstrap is None and not metric.reference)):
        raise GanzooError("it compares sets, and images that are drawn twice bias it")
    if any(len(column) < 2 for column in [*rows.values(), *real.values()]):
        raise GanzooError("there is only one image")
    samples: dict[str, list[float]] = {}
    for number in range(draws):
        parts = (_drawn(part, seed, number, side) for part, side in ((rows, "translated"), (real, "real")))
        try:
            values, _ = calls.compute(*parts)
        except GanzooError as error:
            raise GanzooError(f"the images of a draw have no value: {error}") from None
        for name, value in values.items():
            samples.setdefault(name, []).append(value)
    tail = (1 - SHARE) / 2
    complete = {name: values for name, values in samples.items() if len(values) == draws}
    return {name: tuple(np.quantile(one, (tail, 1 - tail)).tolist()) for name, one in complete.items()}


def _drawn(columns: Columns, seed: int, number: int, side: str) -> Columns:
    """Return the rows of the images of a draw: of all columns the same images."""
    counts = {len(column) for column in columns.values()}
    picks = {n: torch.from_numpy(keyed(seed, "bootstrap", side, number).integers(n, size=n)) for n in counts}
    return {name: column[picks[len(column)]] for name, column in columns.items()}
