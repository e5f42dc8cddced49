"""Call a metric, and check what it returns; the evaluator, reference features and tables use it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from ganzoo.contracts.metric import check_caution, check_rows, check_values
from ganzoo.contracts.origin import Origin
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

    def prepare(self, seed: int) -> None:
        """Prepare the metric for evaluations."""
        with self.origin.catch("prepare"):
            self.metric.prepare(seed)

    def rows(self, step: Step, direction: Direction) -> Columns:
        """Return the rows of a step's translations, whose names must be the same in each call for a direction."""
        with self.origin.catch("rows"):
            rows = self.metric.rows(step, direction)
        return self._checked("rows", rows, direction, len(step.samples))

    def reference_rows(self, step: Step, domain: str) -> Columns:
        """Return the rows of a step's real images, whose names must be the same in each call for a domain."""
        with self.origin.catch("reference_rows"):
            rows = self.metric.reference_rows(step, domain)
        return self._checked("reference_rows", rows, domain, len(step.samples))

    def _checked(self, function: str, rows: object, key: str, count: int) -> Columns:
        checked = check_rows(rows, count, self.origin, names=self._names.get(f"{function} {key}"), function=function)
        self._names[f"{function} {key}"] = list(checked)
        return checked

    def compute(self, rows: Columns, real: Columns) -> tuple[dict[str, float], str]:
        """Return the values, and a caution about them, which is empty if there is none."""
        with self.origin.catch("compute"):
            values = self.metric.compute(rows, real)
        checked = check_values(values, self.origin)
        with self.origin.catch("caution"):
            caution = self.metric.caution(rows, real)
        return checked, check_caution(caution, self.origin)
