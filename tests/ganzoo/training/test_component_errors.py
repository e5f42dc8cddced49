"""Errors in a component's code are one line in a resumed run, in evaluations and in translations, too."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import ganzoo as package
from ganzoo.errors import ComponentError
from ganzoo_cyclegan.method import CycleGAN
from tests.support.tiny_run import write_recipe

PLAIN: dict[str, Any] = {"train": {"steps": 1}, "evaluate": {"metrics": [], "every": 0, "best": None}}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    return write_recipe(tmp_path, **PLAIN)


def broken(self: object, *place: object) -> None:
    raise LookupError("lost")


def broken_forward(self: object, step: object) -> None:
    raise LookupError("lost")


def broken_translate(self: object, images: object, direction: object, step: object) -> None:
    raise LookupError("lost")


WRONG: list[tuple[str, Callable[..., Any], str]] = [
    ("forward", broken_forward, "forward failed: LookupError: lost"),
    ("generator_losses", broken, "losses of the phase 'generator' failed: LookupError: lost"),
    ("generator_losses", lambda self, step: [], "losses of the phase 'generator' returned a list of 0 values"),
    ("state_dict", broken, "state_dict failed: LookupError: lost"),
    ("lr_factor", lambda self, *place: -1.0, "lr_factor returned the float -1.0"),
    ("lr_factor", lambda self, *place: None, "lr_factor returned None"),
]


@pytest.mark.parametrize(("function", "wrong", "words"), WRONG)
def test_a_resumed_run_ends_with_one_line(
    function: str, wrong: Callable[..., Any], words: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.run(recipe, root=tmp_path / "runs")
    monkeypatch.setattr(CycleGAN, function, wrong)
    with pytest.raises(ComponentError) as caught:
        package.run(recipe, "train.steps=2", root=tmp_path / "runs")
    text = str(caught.value)
    assert text.startswith(f"method 'cyclegan' of plugin 'cyclegan': {words}") and "\n" not in text


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda self, images, direction, step: None, "translate (AB) returned None; expected images (1, 3, 16, 16)"),
        (broken_translate, "translate failed: LookupError: lost"),
    ],
)
def test_a_translation_ends_with_one_line(
    wrong: Callable[..., Any], words: str, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package.run(recipe, root=tmp_path / "runs")
    run = package.load(tmp_path / "runs/tiny/default")
    monkeypatch.setattr(CycleGAN, "translate", wrong)
    with pytest.raises(ComponentError) as caught:
        run.translate(torch.zeros(1, 3, 16, 16), "AB")
    assert words in str(caught.value)
