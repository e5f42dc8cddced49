"""A metric that is right, and others that are wrong in one way each."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from ganzoo.interfaces import Direction, Metric, Step
from tests.support.wrong_parts.shared import BUILT, RECIPE, Doubled, Planted


class RightMetric(Metric):
    def __init__(self, *, scale: float = 1.0) -> None:
        self.scale = scale
        self.seen = 0

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {"brightness": self.scale * step[f"fake_{direction[1]}"].mean(dim=(1, 2, 3))}


class DoublingMetric(RightMetric):
    def __init__(self, *, scale: Doubled = 1.0) -> None:
        super().__init__(scale=scale)


class KeylessMetric(RightMetric):
    cache_key: Any = 3


class ChangingMetric(RightMetric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        rows = super().rows(step, direction)
        step[f"fake_{direction[1]}"].zero_()
        return rows


class ComparingMetric(RightMetric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        rows = super().rows(step, direction)["brightness"]
        return {"brightness": rows - rows.mean()}


class InfiniteMetric(RightMetric):
    def compute(self, rows: Any, real: Any) -> dict[str, float]:
        return {"brightness": float("inf")}


class BatchMetric(RightMetric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        self.seen += 1
        return super().rows(step, direction)

    def compute(self, rows: Any, real: Any) -> dict[str, float]:
        return {"brightness": float(self.seen)}


WRONG: Planted = [
    (KeylessMetric, {BUILT}),
    (DoublingMetric, {RECIPE}),
    (ChangingMetric, {"test_it_has_a_row_for_each_image"}),
    (ComparingMetric, {"test_its_rows_do_not_depend_on_the_batch"}),
    (InfiniteMetric, {"test_its_values_are_finite_numbers", "test_it_is_recorded_in_a_tiny_run"}),
    (BatchMetric, {"test_its_values_do_not_depend_on_the_batch", "test_it_measures_the_same_twice"}),
]
