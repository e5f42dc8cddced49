"""What a metric returns is checked: a mistake of its author is told apart from images that have no value."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ganzoo.errors import ComponentError, GanzooError
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.evaluation.metric_calls import MetricCalls
from ganzoo.evaluation.trial import try_metrics
from ganzoo.interfaces import Direction, Metric
from ganzoo.step import Step
from tests.ganzoo.evaluation.test_evaluator import parts


class Levels(Metric):
    """One value for the size of the images, as SWD has one for each level of its pyramid; and the value ``found``."""

    def __init__(self, found: float = 0.5) -> None:
        self.found = found

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        image = step[f"fake_{direction[1]}"]
        return {f"side{min(image.shape[-2:])}": image.mean(dim=(1, 2, 3))}

    def compute(self, rows: object, real: object) -> dict[str, float]:
        assert isinstance(rows, dict)
        return dict.fromkeys(rows, self.found)


def step(side: int) -> Step:
    return Step({"fake_B": torch.zeros(2, 3, side, side)}, samples=(0, 1), training=False)


def test_the_names_of_rows_are_the_same_for_all_images_of_a_collection() -> None:
    calls = MetricCalls(Levels())
    calls.rows(step(8), "AB")
    with pytest.raises(ComponentError, match="rows returned rows 'side6' after rows 'side8'"):
        calls.rows(step(6), "AB")
    calls.begin()
    assert list(calls.rows(step(6), "AB")) == ["side6"]


def test_images_of_another_split_may_have_another_size() -> None:
    engine, reader = parts()
    evaluator = Evaluator(engine, reader, {"levels": Levels()}, seed=0)
    assert set(evaluator.measure("test").values) == {"side6_AB", "side6_BA"}
    object.__setattr__(reader.images, "size", 4)
    assert set(evaluator.measure("test").values) == {"side4_AB", "side4_BA"}


def test_images_without_a_value_are_no_mistake_of_the_metric() -> None:
    engine, reader = parts()
    missing = "levels: side6 is not a number for these images: too few, or none that can be measured"
    evaluator = Evaluator(engine, reader, {"levels": Levels(math.nan)}, seed=0)
    result = evaluator.measure("test")
    assert (result.values, result.failed) == ({}, {"levels": missing.removeprefix("levels: ")})
    try_metrics(evaluator, best=None)
    with pytest.raises(GanzooError, match="side6 is not a number") as caught:
        MetricCalls(Levels(math.nan)).compute({"side6": torch.zeros(2)}, {})
    assert not isinstance(caught.value, ComponentError)
    with pytest.raises(ComponentError, match="compute returned side6: inf; expected a finite number"):
        try_metrics(Evaluator(engine, reader, {"levels": Levels(math.inf)}, seed=0), best=None)
