"""Each contract fails on a component that is wrong in that way, and passes on one that is right."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch

from ganzoo import GanzooError, Registration
from ganzoo.interfaces import Method, MethodWrapper
from ganzoo.plugins import plugins
from ganzoo.testing import component_tests, contracts
from tests.support.wrong_parts import ALSO_RIGHT, ON_ONE_DEVICE, PLANTED, RIGHT, UNBUILT
from tests.support.wrong_parts.methods import RightMethod
from tests.support.wrong_parts.shared import RECIPE

SLOW = "test_two_processes_train_as_one"
ON_A_DEVICE = ("test_it_runs_on", "test_it_trains_on_the_accelerator")
VALUES = {"device": "cpu", "suffix": ".pt2"}
OPTIONS = {"loss": "strength", "masker": "level", "dataset": "shade", "metric": "scale", "method": "weight"}
QUICK = ("loss", "masker", "generator", "discriminator", "dataset")
"""The kinds whose wrong components are tried with all contracts."""


def outcome(kind: str, name: str, contract: str, folder: Path, **values: Any) -> str:
    """Run one contract on a component; return ``passed``, ``skipped``, or why it failed."""
    options = {OPTIONS.get(kind, "gain"): 1.0} if name.startswith("Doubling") else {}
    test = getattr(component_tests(kind, name, options=options)(), contract)
    known = {**VALUES, "tmp_path": folder, **values}
    try:
        test(**{one: known[one] for one in inspect.signature(test).parameters})
    except pytest.skip.Exception:
        return "skipped"
    except (Exception, pytest.fail.Exception) as error:
        return f"{type(error).__name__}: {error}"
    return "passed"


def cases() -> list[Any]:
    return [
        pytest.param(kind, target, broken, id=f"{kind}-{target.__name__}", marks=[pytest.mark.slow] * (SLOW in broken))
        for kind, wrong in PLANTED.items()
        for target, broken in wrong
    ]


@pytest.mark.parametrize("kind", RIGHT)
def test_each_contract_has_a_component_that_breaks_it(kind: str) -> None:
    broken = {one for _, contracts_ in PLANTED[kind] for one in contracts_}
    assert set(contracts(kind)) - set(ON_A_DEVICE) == broken


@pytest.mark.parametrize(("kind", "target", "broken"), cases())
def test_a_wrong_component_breaks_its_contracts(kind: str, target: type, broken: set[str], tmp_path: Path) -> None:
    for number, contract in enumerate(sorted(broken)):
        why = outcome(kind, target.__name__, contract, tmp_path / str(number))
        assert why not in ("passed", "skipped"), contract
        if why.startswith("Failed"):
            assert target.__name__ in why, why


@pytest.mark.parametrize(
    ("kind", "target", "broken"),
    [one for one in cases() if one.values[0] in QUICK and one.values[1].__name__ not in UNBUILT],
)
def test_it_breaks_no_other_contract(kind: str, target: type, broken: set[str], tmp_path: Path) -> None:
    others = [one for one in contracts(kind) if one not in broken and "tiny_run" not in one]
    results = {one: outcome(kind, target.__name__, one, tmp_path) for one in others}
    assert {one: why for one, why in results.items() if why not in ("passed", "skipped")} == {}


@pytest.mark.parametrize(("kind", "target"), [one.values[:2] for one in cases() if one.values[1].__name__ in UNBUILT])
def test_a_component_that_cannot_be_made_breaks_every_contract(kind: str, target: type, tmp_path: Path) -> None:
    made = [one for one in contracts(kind) if one not in (*ON_A_DEVICE, RECIPE)]  # to read a recipe makes no network
    results = {one: outcome(kind, target.__name__, one, tmp_path) for one in made}
    assert {one: why for one, why in results.items() if target.__name__ not in why} == {}


@pytest.mark.parametrize(
    ("kind", "contract"),
    [
        pytest.param(kind, one, marks=[pytest.mark.slow] * (one == SLOW))
        for kind in RIGHT
        for one in contracts(kind)
        if one not in ON_A_DEVICE
    ],
)
def test_a_right_component_keeps_each_contract(kind: str, contract: str, tmp_path: Path) -> None:
    assert outcome(kind, "right", contract, tmp_path) in ("passed", "skipped")


@pytest.mark.parametrize(("kind", "target"), [(kind, one) for kind, found in ALSO_RIGHT.items() for one in found])
def test_a_component_without_what_most_have_breaks_no_contract(kind: str, target: type, tmp_path: Path) -> None:
    tried = [one for one in contracts(kind) if one not in (*ON_A_DEVICE, SLOW, "test_it_can_be_exported")]
    results = {one: outcome(kind, target.__name__, one, tmp_path / one) for one in tried}
    assert {one: why for one, why in results.items() if why not in ("passed", "skipped")} == {}


@pytest.mark.parametrize(
    ("method", "tensor", "channels", "smallest"),
    [
        ("attention_gan", "attention_A", 1, 0),
        ("attention_gan", "fake_B", 3, -1),
        ("attention_gan", "given_mask_A", 1, 0),
        ("inpainting", "masked_A", 3, -1),
    ],
)
def test_a_loss_gets_masks_and_images_as_the_recipes_method_says(
    method: str, tensor: str, channels: int, smallest: int
) -> None:
    label, named = ("MaskLoss", {}) if tensor == "fake_B" else ("term", {"loss": "MaskLoss"})
    recipe = {"method": method, "losses": {label: {**named, "of": {"mask": tensor}}}}
    tests: Any = component_tests("loss", "MaskLoss", recipe=recipe)()
    mask = tests.inputs()["mask"]
    assert mask.shape[:2] == (2, channels)
    assert smallest <= mask.min() < smallest + 0.1 and mask.max() <= 1


class Untranslating(RightMethod):
    translate, style_size = Method.translate, lambda self, domain: 2


class Styled(RightMethod):
    """It draws styles, and finds none in images."""

    style_size = Untranslating.style_size


class WrappedUntranslating(MethodWrapper):
    def __init__(self) -> None:
        super().__init__(Untranslating())


class WrappedStyled(MethodWrapper):
    def __init__(self) -> None:
        super().__init__(Styled())


@pytest.mark.parametrize(
    ("target", "contract", "expected"),
    [
        (WrappedUntranslating, "test_its_translations_are_images", "skipped"),
        (WrappedUntranslating, "test_its_styles_have_their_size", "skipped"),
        (WrappedStyled, "test_its_translations_are_images", "passed"),
        (WrappedStyled, "test_its_styles_have_their_size", "passed"),
    ],
)
def test_a_wrapper_has_the_defaults_of_its_base(target: type, contract: str, expected: str, tmp_path: Path) -> None:
    registration = Registration("wrong")
    registration.add("method", "wrapping", target)
    with patch.dict(plugins().registry._components["method"]):
        plugins().registry.accept(registration)
        assert outcome("method", "wrapping", contract, tmp_path) == expected


@pytest.mark.gpu
@pytest.mark.parametrize("kind", ON_ONE_DEVICE)
def test_a_component_for_the_cpu_alone_breaks_a_contract(kind: str, tmp_path: Path) -> None:
    contract = ON_A_DEVICE[kind == "method"]
    device = torch.accelerator.current_accelerator().type  # type: ignore[union-attr]
    assert outcome(kind, "right", contract, tmp_path / "right", device=device) == "passed"
    name = ON_ONE_DEVICE[kind].__name__
    assert "device" in outcome(kind, name, contract, tmp_path / "wrong", device=device)


def test_a_failure_names_component_line_and_what_is_expected(tmp_path: Path) -> None:
    why = outcome("loss", "SumLoss", "test_it_is_a_mean_over_samples", tmp_path)
    assert why.startswith("Failed: loss 'SumLoss' of plugin 'wrong': forward returned ")
    assert "for 3 samples; expected the mean of their own losses" in why
    assert "tests/support/wrong_parts/losses.py:" in why
    assert "\n" not in why


def test_an_unknown_kind_is_refused() -> None:
    call: list[Callable[[], object]] = [lambda: component_tests("los", "l1"), lambda: contracts("los")]
    for one in call:
        with pytest.raises(GanzooError, match=r"unknown kind 'los' \(did you mean 'loss'\?\)"):
            one()
