"""What a metric must declare and return: each planted mistake is one line with the author's file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo.contracts.metric import check_caution, check_metric, check_rows, check_values
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError
from ganzoo.interfaces import Direction, Metric, Step


class Good(Metric):
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        return {}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        return {}

    def caution(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> str:
        return ""


class WithReference(Good):
    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        return {}


ORIGIN = Origin(Good, "metric", "good", "mine")


def line_of(caught: pytest.ExceptionInfo[ComponentError]) -> str:
    (line,) = str(caught.value).splitlines()
    assert line.startswith("metric 'good' of plugin 'mine': ") and __file__ in line
    return line


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"directions": ("AB", "CD")}, "directions is ('AB', 'CD'); expected a tuple of 'AB', 'BA', 'AA'"),
        ({"directions": "AB"}, "directions is 'AB'; expected a tuple of"),
        ({"directions": ()}, "directions is (); expected a tuple of"),
        ({"translated": "test"}, "translated is 'test'; expected 'measured' or 'train'"),
        ({"reference": "validation"}, "reference is 'validation'; expected 'measured', 'train', or ''"),
        ({"reference": "train"}, "reference is 'train'; expected the function reference_rows beside it"),
        ({"cache_key": 3}, "cache_key is 3; expected a text"),
        ({"about": {"network": 3}}, "about is {'network': 3}; expected name → text"),
        ({"about": "mine"}, "about is 'mine'; expected name → text"),
        ({"sources": []}, "sources is []; expected name → Source"),
    ],
)
def test_what_a_metric_declares(attributes: dict[str, Any], expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_metric(type("Changed", (Good,), attributes)(), Metric, ORIGIN)
    assert expected in line_of(caught)


def test_a_right_metric_passes() -> None:
    check_metric(Good(), Metric, ORIGIN)
    check_metric(type("Changed", (WithReference,), {"reference": "train"})(), Metric, ORIGIN)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (None, "rows returned None; expected a dict: name → tensor with 3 rows, one for each image of the batch"),
        ([1.0], "rows returned a list of 1 values; expected a dict"),
        (0.5, "rows returned the float 0.5; expected a dict"),
        ("many", "rows returned the text 'many'; expected a dict"),
        (torch.ones(3), "rows returned a tensor of shape (3,), float32; expected a dict"),
        ({}, "rows returned an empty dict"),
        ({1: torch.ones(3)}, "rows returned the name the int 1"),
        ({"a": 0.5}, "rows returned a: the float 0.5; expected name → tensor with 3 rows"),
        ({"a": np.ones(3)}, "rows returned a: an array of shape (3,), float64"),
        ({"a": torch.ones(2)}, "rows returned a: a tensor of shape (2,), float32; expected name → tensor with 3 rows"),
        ({"a": torch.ones(4)}, "rows returned a: a tensor of shape (4,), float32"),
        ({"a": torch.tensor(1.0)}, "rows returned a: a tensor of shape (), float32"),
        ({"a": torch.tensor([1, torch.nan, 1])}, "rows returned a: values that are not finite"),
        ({"a": torch.tensor([1, torch.inf, 1])}, "rows returned a: values that are not finite"),
        ({"b": torch.ones(3)}, "rows returned rows 'b' after rows 'a'; expected the same names for each batch"),
    ],
)
def test_rows(rows: Any, expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_rows(rows, 3, ORIGIN, names=["a"])
    assert expected in line_of(caught)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("good", "compute returned the text 'good'; expected a dict: name → float"),
        (torch.tensor(1.0), "compute returned a tensor of shape (), float32; expected a dict"),
        (None, "compute returned None; expected a dict"),
        ([1.0], "compute returned a list"),
        ({}, "compute returned an empty dict; expected a dict: name → float, with at least one value"),
        (
            {"a": torch.tensor(1.0)},
            "compute returned a: a tensor of shape (), float32; expected a dict: name → float, such",
        ),
        ({"a": "0.5"}, "compute returned a: the text '0.5'"),
        ({"a": True}, "compute returned a: the bool True"),
        ({"a": float("nan")}, "compute returned a: nan; expected a finite number"),
        ({"a": float("-inf")}, "compute returned a: -inf; expected a finite number"),
        ({3: 1.0}, "compute returned a value whose name is the int 3"),
    ],
)
def test_values(values: Any, expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_values(values, ORIGIN)
    assert expected in line_of(caught)


def test_right_results_pass() -> None:
    rows = {"a": torch.ones(3, 2), "b": torch.ones(3, dtype=torch.int64)}
    assert check_rows(rows, 3, ORIGIN, names=["b", "a"]) == rows
    values = check_values({"a": np.float32(0.5), "b": 2}, ORIGIN)
    assert values == {"a": 0.5, "b": 2.0} and {type(one) for one in values.values()} == {float}
    assert check_caution("few images", ORIGIN) == "few images"
    with pytest.raises(ComponentError, match="caution returned None; expected a text"):
        check_caution(None, ORIGIN)
