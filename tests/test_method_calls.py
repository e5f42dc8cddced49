"""docs/interface.md: a run, a resumed run and a translation call a method's functions in the order of the page."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

import ganzoo
from ganzoo.interfaces import Method
from ganzoo_cyclegan.method import CycleGAN
from tests.support.tiny_run import write_recipe

PAGE = (Path(__file__).resolve().parents[1] / "docs/interface.md").read_text(encoding="utf-8")
AT_ANY_TIME = {"translated", "style_size", "draw_style", "style_of"}


TRIED = [
    *("lr_factor", "state_dict", "forward", "Phase.losses", "translate", "forward", "undo", "load_state_dict"),
    *("state_dict", "forward", "Phase.losses", "undo", "load_state_dict", "state_dict"),
]
"""What a new run calls before its folder is created: every function once, then a step; each is undone and compared."""


def order_of_page() -> list[str]:
    """Return the calls in the rows of the page's table, in order."""
    table = PAGE.split("## A method's calls, in order")[1].split("\n\n")[1]
    return re.findall(r"^\| `?([\w.]+)", table, re.MULTILINE)[1:]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the calls of every CycleGAN, by their names on the page."""
    names: list[str] = []

    def recorded(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)  # its signature is checked
        def call(*arguments: Any, **options: Any) -> Any:
            names.append(name)
            return function(*arguments, **options)

        return call

    initialize = CycleGAN.__init__

    @wraps(initialize)
    def construct(self: CycleGAN, /, *arguments: Any, **options: Any) -> None:
        names.append("constructor")
        initialize(self, *arguments, **options)
        self.phases = [replace(phase, losses=recorded("Phase.losses", phase.losses)) for phase in self.phases]

    monkeypatch.setattr(CycleGAN, "__init__", construct)
    for name, function in vars(Method).items():
        if callable(function) and not name.startswith("_") and name not in AT_ANY_TIME:
            monkeypatch.setattr(CycleGAN, name, recorded(name, getattr(CycleGAN, name)))
    return names


def first_calls(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def test_a_run_calls_a_method_in_the_order_of_the_page(tmp_path: Path, calls: list[str]) -> None:
    recipe = write_recipe(tmp_path, evaluate={"metrics": [], "every": 0, "best": None})
    page = [name for name in order_of_page() if name not in AT_ANY_TIME]
    ganzoo.run(recipe, "train.steps=2", root=tmp_path / "runs")
    start, end = calls.index("lr_factor"), len(calls) - calls[::-1].index("load_state_dict") + 1
    assert [name for name, _ in groupby(calls[start:end])] == TRIED
    trained = [*calls[:start], *calls[end:]]
    assert first_calls(trained) == [name for name in page if name not in {"load_state_dict", "undo", "translate"}]
    calls.clear()
    ganzoo.run(recipe, "train.steps=3", root=tmp_path / "runs")
    assert first_calls(calls) == [name for name in page if name not in {"undo", "translate"}]


def test_a_translation_calls_a_method_in_the_order_of_the_page(tmp_path: Path, calls: list[str]) -> None:
    recipe = write_recipe(tmp_path, evaluate={"metrics": [], "every": 0, "best": None})
    ganzoo.run(recipe, "train.steps=1", root=tmp_path / "runs")
    calls.clear()
    run = ganzoo.load(tmp_path / "runs/tiny/default")
    run.translate(next((tmp_path / "images/testA").iterdir()))
    built = calls[calls.index("bind") :]
    assert built == ["bind", "setup", "bind", "translate"]
    assert set(calls[: -len(built)]) == {"constructor"}
