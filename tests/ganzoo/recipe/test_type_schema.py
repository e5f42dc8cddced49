"""The schema of a type hint allows what the reader of recipes allows for an option of that type, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, NotRequired, Required

import pytest
from jsonschema import Draft7Validator
from pydantic import Field
from typing_extensions import TypedDict

from ganzoo.recipe.options import check_options
from ganzoo.recipe.type_schema import any_of, type_schema


class Noise(TypedDict):
    sigma: Annotated[float, Field(gt=0)]
    until: NotRequired[float]


class Tracker(TypedDict, total=False):
    tracker: Required[Literal["wandb"]]
    tags: list[str]


CASES: list[tuple[Any, list[Any], list[Any]]] = [
    (bool, [True, False, "yes", "off"], [1.5, "maybe", None, []]),
    (int, [0, -3, 2.0], [1.5, True, "x", None]),
    (float, [0, 2.5, -1e-4], [True, "x", None, [1.0]]),
    (str, ["a", ""], [1, True, None]),
    (Path, ["photos/a.png"], [1, None, ["a"]]),
    (Path | None, ["photos", None], [1, []]),
    (Literal["adam", "sgd"], ["adam"], ["adamw", 1, None]),
    (bool | Literal["reduce-overhead"], [True, "no", "reduce-overhead"], ["reduce", 7.5]),
    (Annotated[int, Field(ge=1, le=8)], [1, 8], [0, 9]),
    (Annotated[float, Field(gt=0, lt=1)], [0.5], [0, 1, -1]),
    (Annotated[float, Field(ge=0)] | None, [0, None], [-0.1, "x"]),
    (tuple[int, int], [[1, 2]], [[1], [1, 2, 3], ["a", 2], 3]),
    (tuple[int, str], [[1, "a"]], [["a", 1], [1]]),
    (tuple[Annotated[int, Field(ge=0)], ...], [[], [0, 1]], [[-1], 2]),
    (Annotated[tuple[str, ...], Field(min_length=1)], [["a"]], [[], "a"]),
    (list[str | Path], [["a"]], [["a", 1], "a"]),
    (dict[str, Annotated[float, Field(ge=0)]], [{}, {"a": 1}], [{"a": -1}, {"a": "x"}, []]),
    (Annotated[dict[str, int], Field(min_length=1)], [{"a": 1}], [{}]),
    (dict[Literal["A", "B"], int], [{"A": 1}, {}], [{"C": 1}, {"A": "x"}]),
    (int | dict[Literal["A", "B"], int] | None, [1, {"B": 2}, None], ["x", {"C": 1}]),
    (Noise, [{"sigma": 0.1}, {"sigma": 1, "until": 0.5}], [{}, {"until": 1}, {"sigma": 0}, {"sigma": 1, "x": 2}]),
    (Tracker, [{"tracker": "wandb"}, {"tracker": "wandb", "tags": ["a"]}], [{}, {"tags": []}, {"tracker": "x"}]),
    (Annotated[str, Field(pattern="^a")], ["ab"], ["ba"]),
]


def target(hint: Any) -> Any:
    def component(*, option: Any) -> None: ...

    component.__annotations__ = {"option": hint}
    return component


@pytest.mark.parametrize(("hint", "right", "wrong"), CASES, ids=[str(hint)[:60] for hint, _, _ in CASES])
def test_the_schema_and_the_reader_agree(hint: Any, right: list[Any], wrong: list[Any]) -> None:
    validator = Draft7Validator(type_schema(hint))
    Draft7Validator.check_schema(type_schema(hint))
    for value in right:
        assert validator.is_valid(value), value
        assert check_options(target(hint), {"option": value})[1] == []
    for value in wrong:
        assert not validator.is_valid(value), value
        assert check_options(target(hint), {"option": value})[1] != []


def test_a_type_that_no_schema_describes_allows_anything() -> None:
    class Own:
        pass

    assert type_schema(Own) == type_schema(Any) == {}
    assert Draft7Validator(type_schema(dict[str, Own])).is_valid({"a": 1})


def test_joined_types_are_listed_once() -> None:
    assert type_schema(str | Path | None) == {"type": ["string", "null"]}
    assert any_of([{"type": "integer"}, {"type": "integer"}]) == {"type": "integer"}
