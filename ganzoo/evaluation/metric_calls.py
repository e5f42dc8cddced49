"""Call a metric, and check what it returns; the evaluator, reference features and tables use it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real

from torch import Tensor

from ganzoo.contracts.metric import check_caution, check_rows, check_values
from ganzoo.contracts.origin import Origin
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Direction, Metric
from ganzoo.step import Step

Columns = Mapping[str, Tensor]


class MetricCalls:
    """The functions of a metric; each raises ComponentError if the metric fails or returns something wrong.

    A GanzooError of the metric stays as it is: it is about the images or the method.

    Args:
        metric: the metric.
        origin: where it comes from; by default its class.
    """

    def __init__(self, metric: Metric, origin: Origin | None = None) -> None:
        self.metric = metric
        self.origin = origin or Origin(type(metric))
        self._names: dict[str, list[str]] = {}

    def begin(self) -> None:
        """Begin with other images: the names of rows may depend on their sizes."""
        self._names.clear()

    def prepare(self, seed: int) -> None:
        """Prepare the metric for evaluations."""
        with self.origin.catch("prepare"):
            self.metric.prepare(seed)

    def rows(self, step: Step, direction: Direction) -> Columns:
        """Return the rows of a step's translations: the same names in each call for a direction, until ``begin``."""
        with self.origin.catch("rows"):
            rows = self.metric.rows(step, direction)
        return self._checked("rows", rows, direction, len(step.samples))

    def reference_rows(self, step: Step, domain: str) -> Columns:
        """Return the rows of a step's real images: the same names in each call for a domain, until ``begin``."""
        with self.origin.catch("reference_rows"):
            rows = self.metric.reference_rows(step, domain)
        return self._checked("reference_rows", rows, domain, len(step.samples))

    def _checked(self, function: str, rows: object, key: str, count: int) -> Columns:
        checked = check_rows(rows, count, self.origin, names=self._names.get(f"{function} {key}"), function=function)
        self._names[f"{function} {key}"] = list(checked)
        return checked

    def compute(self, rows: Columns, real: Columns) -> tuple[dict[str, float], str]:
        """Return the values, and a caution about them, which is empty if there is none.

        Raises GanzooError if one is NaN: these images have no such value.
        """
        with self.origin.catch("compute"):
            values = self.metric.compute(rows, real)
        for name, value in values.items() if isinstance(values, Mapping) else ():
            if isinstance(value, Real) and math.isnan(value):
                raise GanzooError(f"{name} is not a number for these images: too few, or none that can be measured")
        checked = check_values(values, self.origin)
        with self.origin.catch("caution"):
            caution = self.metric.caution(rows, real)
        return checked, check_caution(caution, self.origin)
