"""Options of components: keyword-only parameters, coerced and checked against their type hints."""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import pytest
from pydantic import Field
from torch import nn
from typing_extensions import TypedDict

from ganzoo.errors import GanzooError
from ganzoo.recipe.options import MISSING, build, check_options, options_of
from ganzoo.registry import Component

if TYPE_CHECKING:
    from decimal import Decimal

Weight = Annotated[float, Field(ge=0)]


class PerDomain(TypedDict):
    A: Weight
    B: Weight


class Net(nn.Module):
    """Takes a channel count from ganzoo, and options from recipes."""

    def __init__(
        self,
        channels: int,
        *,
        width: Annotated[int, Field(ge=1, lt=1000)],
        norm: Literal["instance", "batch", "none"] = "instance",
        cycle: Weight | PerDomain = 10.0,
        only: PerDomain | None = None,
        folder: Path | None = None,
        terms: tuple[Literal["gan", "cycle"], ...] = (),
        suffix: dict[Literal["A", "B"], str] | None = None,
        label: str = "",
        flip: bool = False,
    ) -> None:
        super().__init__()
        self.arguments = (channels, width, norm)


class Bare:
    """Has no constructor of its own."""


class Unresolved:
    """Names a type that only type checkers see."""

    def __init__(self, *, price: Decimal | None = None) -> None:
        pass


class Typed(typing.TypedDict):
    A: int


class OldTyped:
    """Uses typing's TypedDict, which pydantic cannot read before Python 3.12."""

    def __init__(self, *, sizes: Typed | None = None) -> None:
        pass


def checked(**values: Any) -> dict[str, Any]:
    options, problems = check_options(Net, {"width": 8, **values})
    assert problems == []
    return options


def mistakes(**values: Any) -> list[tuple[str, str]]:
    problems = check_options(Net, {"width": 8, **values}, ("networks", "G"))[1]
    assert all(problem.path[:2] == ("networks", "G") for problem in problems)
    return [(".".join(map(str, problem.path[2:])), problem.message) for problem in problems]


def test_options_are_the_keyword_only_parameters() -> None:
    options = options_of(Net)
    assert list(options) == [
        "width", "norm", "cycle", "only", "folder", "terms", "suffix", "label", "flip"
    ]  # fmt: skip
    assert options["width"].required
    assert options["width"].default is MISSING
    assert not options["norm"].required
    assert options["norm"].default == "instance"
    assert options_of(Bare) == {}


def test_types_are_shown_in_a_readable_form() -> None:
    assert {name: option.type_text for name, option in options_of(Net).items()} == {
        "width": "int ≥ 1, < 1000",
        "norm": "'instance' | 'batch' | 'none'",
        "cycle": "float ≥ 0 | {A: float ≥ 0, B: float ≥ 0}",
        "only": "{A: float ≥ 0, B: float ≥ 0} | None",
        "folder": "Path | None",
        "terms": "tuple['gan' | 'cycle', ...]",
        "suffix": "dict['A' | 'B', str] | None",
        "label": "str",
        "flip": "bool",
    }

    def other(*, a: Optional[int] = None, b: Any = 0, c=0) -> None: ...  # type: ignore[no-untyped-def]  # noqa: UP045

    assert [option.type_text for option in options_of(other).values()] == ["int | None", "Any", "Any"]


def test_values_are_coerced_and_defaults_are_filled_in_in_order() -> None:
    options = checked(cycle="2e-4", terms=["gan"], folder="a/b", flip="yes")
    assert list(options) == list(options_of(Net))
    assert options["cycle"] == 2e-4
    assert options["terms"] == ("gan",)
    assert options["folder"] == Path("a/b")
    assert options["flip"] is True
    assert options["norm"] == "instance"


def test_integers_may_have_an_exponent_and_strings_keep_theirs() -> None:
    assert checked(width=1e2)["width"] == 100
    assert checked(label="1e2")["label"] == "1e2"
    assert mistakes(width=1e-2) == [
        ("width", "width is 0.01: input should be a valid integer, got a number with a fractional part")
    ]


def test_the_home_folder_is_expanded_and_an_unknown_one_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert checked(folder="~/x")["folder"] == Path("/home/ada/x")
    assert checked(folder="~nobody-of-this-name/x")["folder"] == Path("~nobody-of-this-name/x")
    assert checked(folder="$HOME/x")["folder"] == checked(folder="${HOME}/x")["folder"] == Path("/home/ada/x")
    assert checked(folder="$NOBODY_SET_THIS/x")["folder"] == Path("$NOBODY_SET_THIS/x")


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (tuple[Path, ...], ["~/x", "$HOME/y"], (Path("/home/ada/x"), Path("/home/ada/y"))),
        (list[Path] | None, ["~/x"], [Path("/home/ada/x")]),
        (dict[str, Path], {"~": "~/x"}, {"~": Path("/home/ada/x")}),
        (dict[str, tuple[Path, float]], {"a": ["~/x", 1]}, {"a": (Path("/home/ada/x"), 1.0)}),
        (tuple[str, ...], ["~/x"], ("~/x",)),
    ],
)
def test_paths_in_lists_and_mappings_are_expanded(
    monkeypatch: pytest.MonkeyPatch, hint: Any, value: Any, expected: Any
) -> None:
    monkeypatch.setenv("HOME", "/home/ada")

    def component(*, files: Any) -> None: ...

    component.__annotations__["files"] = hint
    assert check_options(component, {"files": value}) == ({"files": expected}, [])


def test_paths_in_defaults_are_expanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    by_name = {"a": Path("~/x")}

    def component(
        *, file: Path = Path("~/x"), files: tuple[Path, ...] = (Path("$HOME/x"),), more: Any = by_name
    ) -> None:
        pass

    expanded = Path("/home/ada/x")
    assert check_options(component, {})[0] == {"file": expanded, "files": (expanded,), "more": {"a": expanded}}
    assert by_name == {"a": Path("~/x")}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"widht": 9}, [("widht", "unknown option 'widht' (did you mean 'width'?)")]),
        ({"width": 0}, [("width", "width is 0: input should be greater than or equal to 1")]),
        ({"width": None}, [("width", "width is None: input should be a valid integer")]),
        ({"label": 5}, [("label", "label is 5: input should be a valid string")]),
        ({"norm": "Batch"}, [("norm", "norm is 'Batch' (did you mean 'batch'?)")]),
        ({"norm": "layer"}, [("norm", "norm is 'layer' (there are: batch, instance, none)")]),
        ({"terms": "gan"}, [("terms", "terms is 'gan': input should be a list")]),
        ({"terms": ["gan", "cicle"]}, [("terms.1", "terms is 'cicle' (did you mean 'cycle'?)")]),
        ({"suffix": {"C": "x"}}, [("suffix.C", "suffix has no key 'C' (there are: A, B)")]),
        ({"suffix": 3}, [("suffix", "suffix is 3: input should be a mapping")]),
        (
            {"cycle": "much"},
            [
                (
                    "cycle",
                    "cycle is 'much': input should be a valid number, unable to parse string as a number; "
                    "or: input should be a mapping",
                )
            ],
        ),
        ({"cycle": {"A": 1, "B": -2}}, [("cycle.B", "cycle is -2: input should be greater than or equal to 0")]),
        ({"cycle": {"A": 1, "B": 2, "C": 3}}, [("cycle.C", "cycle has no key 'C'")]),
        ({"only": {"A": 1, "B": 2, "C": 3}}, [("only.C", "only has no key 'C'")]),
        ({"only": {"A": 1}}, [("only", "only is missing the key 'B'")]),
        ({"norm": "layer", "flip": 7}, [("norm", "norm is"), ("flip", "flip is 7: input should be a valid boolean")]),
    ],
)
def test_each_mistake_is_one_problem(values: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    problems = mistakes(**values)
    assert [place for place, _ in problems] == [place for place, _ in expected]
    assert all(message.startswith(start) for (_, message), (_, start) in zip(problems, expected, strict=True))


def test_a_missing_required_option_is_reported_after_the_others() -> None:
    problems = check_options(Net, {"norm": "x"}, ("data",))[1]
    assert [problem.path for problem in problems] == [("data", "norm"), ("data",)]
    assert problems[1].message == "the option 'width' (int ≥ 1, < 1000) is missing"


def test_other_known_keys_are_suggested_too() -> None:
    problem = check_options(Bare, {"wieght": 1}, also_known=["weight"])[1][0]
    assert problem.message == "unknown option 'wieght' (did you mean 'weight'?)"


def test_build_checks_the_options_too() -> None:
    net = Component("generator", "net", Net, "mine")
    assert build(net, 3, width="4").arguments == (3, 4, "instance")
    with pytest.raises(GanzooError) as error:
        build(net, 3, width=0, blocks=1)
    assert str(error.value).splitlines() == [
        "generator 'net': width is 0: input should be greater than or equal to 1",
        "generator 'net': unknown option 'blocks' (there are: cycle, flip, folder, label, norm, only, suffix, terms, "
        "width)",
    ]


def test_unresolvable_type_hints_are_an_error_of_the_author() -> None:
    with pytest.raises(GanzooError, match=r"type hints of .*Unresolved cannot be resolved: NameError.*'Decimal'"):
        options_of(Unresolved)


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="pydantic reads it there")
def test_types_that_pydantic_cannot_check_are_an_error_of_the_author() -> None:
    with pytest.raises(GanzooError, match=r"'sizes' of .*OldTyped cannot be checked: .*typing_extensions.TypedDict"):
        check_options(OldTyped, {"sizes": {"A": 1}})


class Weights(TypedDict):
    a: float


@pytest.mark.parametrize(
    ("hint", "value", "path"),
    [
        (int | tuple[int, int], [True, 32], (0,)),
        (tuple[float, ...] | None, [1, 2, False], (2,)),
        (list[tuple[int, int]], [[1, 2], [3, True]], (1, 1)),
        (dict[str, float], {"a": 1, "b": True}, ("b",)),
        (Weights, {"a": True}, ("a",)),
        (float | None, True, ()),
    ],
)
def test_true_is_not_a_number_in_a_list_or_mapping_either(hint: Any, value: Any, path: tuple[str | int, ...]) -> None:
    target = with_option(hint)
    _, problems = check_options(target, {"x": value})
    assert [problem.path for problem in problems] == [("x", *path)]
    assert "should be a valid" in problems[0].message


def test_booleans_stay_where_they_fit() -> None:
    for hint, value in [(list[bool | int], [True, 2]), (dict[str, Any], {"a": [True, 1]}), (bool | float, False)]:
        checked, problems = check_options(with_option(hint), {"x": value})
        assert not problems and repr(checked["x"]) == repr(value)


@pytest.mark.parametrize("number", [inf, -inf, nan])
@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (float, lambda number: number),
        (float | None, lambda number: number),
        (int, lambda number: number),
        (tuple[int | float, int | float], lambda number: [0, number]),
        (dict[str, float], lambda number: {"a": number}),
        (Weights, lambda number: {"a": number}),
        (list[Weights], lambda number: [{"a": number}]),
    ],
)
def test_numbers_must_be_finite(hint: Any, value: Any, number: float) -> None:
    _, problems = check_options(with_option(hint), {"x": value(number)})
    assert len(problems) == 1 and "a finite number" in problems[0].message


def with_option(hint: Any) -> Callable[..., None]:
    def target(*, x: Any) -> None: ...

    target.__annotations__["x"] = hint
    return target


def test_true_is_not_a_number() -> None:
    def target(*, width: int = 1, rate: float = 1.0, on: bool = False) -> None: ...

    checked, problems = check_options(target, {"width": True, "rate": False, "on": True})
    assert [problem.path for problem in problems] == [("width",), ("rate",)]
    assert checked["on"] is True
