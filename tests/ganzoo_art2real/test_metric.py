"""The metric ``contextual``: the loss of each image, with the classes of its source."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import ganzoo
from ganzoo import GanzooError, create
from ganzoo.check.parts_table import check
from ganzoo.data.loader import Reader
from ganzoo.masks.roles import Roles
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.bank_builder import build_bank
from ganzoo_art2real.loss import Contextual
from ganzoo_art2real.metric import ContextualDistance
from ganzoo_cyclegan.method import CycleGAN
from tests.support.photographs import SMALL
from tests.support.stand_in_methods import Constant, Noise, batch_step
from tests.support.tiny_run import write_recipe

SIDES = {"size": 24, "load": 0}
QUIET = ("evaluate.best=null", "train.sample=0")


def measured(bank: Bank) -> list[dict[str, str]]:
    return [{"metric": "contextual", "bank": str(bank.folder)}]


def metric(bank: Bank, roles: Roles | None = None, **options: object) -> ContextualDistance:
    made: ContextualDistance = create("metric", "contextual", bank=bank.folder, **options)
    method = CycleGAN()
    method.bind({}, roles or Roles())
    made.bind(method, Reader(Noise(), ImageSettings(size=24)))
    return made


def translated() -> Step:
    step = batch_step(3, size=16)
    step["fake_B"] = -step["real_A"]
    return step


def test_it_is_the_loss_of_each_image(bank: Bank) -> None:
    rows = metric(bank, scales="all", neighbours=3).rows(translated(), "AB")["contextual"]
    loss = Contextual(bank=bank.folder, scales="all", neighbours=3)
    expected = torch.stack([loss(one[None]) for one in translated()["fake_B"]])
    assert torch.equal(rows, expected)
    torch.testing.assert_close(rows.mean(), loss(translated()["fake_B"]))
    assert rows.unique().numel() == 3


def test_its_options_are_those_of_the_loss(bank: Bank) -> None:
    """Each of them changes the value."""
    step, masker = translated(), create("masker", "round")
    options: dict[str, Any] = {"scales": "all", "neighbours": 2, "share": 0.3, "bandwidth": 0.5}
    made = metric(bank, Roles({"labels": masker}), **options, search="exact")
    rows = made.rows(step, "AB")["contextual"]
    classes = masker(step["real_A"], rng=step.rng("mask"))

    def mean(**options: Any) -> Tensor:
        loss: Tensor = Contextual(bank=bank.folder, **options)(step["fake_B"], classes)
        return loss

    torch.testing.assert_close(rows.mean(), mean(**options))
    for name in options:
        fewer = {one: value for one, value in options.items() if one != name}
        assert not torch.isclose(rows.mean(), mean(**fewer), rtol=1e-3)
    assert made.loss.search == "exact"


def test_classes_are_those_of_the_source(bank: Bank) -> None:
    everything = Roles({"labels": Constant(1.0)})  # all of it is class 1
    rows = metric(bank, everything).rows(translated(), "AB")["contextual"]
    expected = Contextual(bank=bank.folder)(translated()["fake_B"], torch.ones(3, 1, 16, 16))
    torch.testing.assert_close(rows.mean(), expected)
    assert not torch.isclose(rows.mean(), metric(bank).rows(translated(), "AB")["contextual"].mean())


def test_it_measures_any_method_once(bank: Bank, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, evaluate={"metrics": measured(bank)}, images=SIDES)
    values = ganzoo.run(recipe, "train.steps=1", "evaluate.best=min contextual", root=tmp_path)
    assert list(values) == ["contextual"] and values["contextual"] > 0
    twice = "evaluate.metrics=[{metric: contextual, bank: %s}, {metric: contextual, bank: %s}]" % ((bank.folder,) * 2)
    with pytest.raises(GanzooError, match=r"evaluate\.metrics: two metrics give the value 'contextual'"):
        ganzoo.run(recipe, "train.steps=1", "evaluate.best=null", twice, root=tmp_path / "again")


def test_any_method_may_have_classes_for_it(bank: Bank, tmp_path: Path) -> None:
    """Patches of the round foreground have another class than the background, which changes the distance."""
    recipe = write_recipe(tmp_path, evaluate={"metrics": measured(bank)}, images=SIDES)
    quick = (*QUIET, "train.steps=1")
    without = ganzoo.run(recipe, *quick, root=tmp_path / "without")
    classes = "maskers.labels={masker: round}"
    assert ganzoo.run(recipe, *quick, classes, root=tmp_path / "with")["contextual"] != without["contextual"]
    with pytest.raises(GanzooError, match=r"no mask in the role 'labels'; .* unless a loss reads it .* or a metric"):
        ganzoo.run(recipe, *quick, classes, "evaluate.metrics=[cycle_l1]", root=tmp_path / "unread")


def test_a_run_is_not_evaluated_with_another_bank_in_the_same_folder(
    bank: Bank, photographs: Path, tmp_path: Path
) -> None:
    """Figures of two banks do not compare; a metric that is new, or left out, changes nothing."""
    recipe = write_recipe(tmp_path, images=SIDES)
    ganzoo.run(recipe, *QUIET, "train.steps=1", root=tmp_path)
    with_bank = f"evaluate.metrics=[{{metric: contextual, bank: {bank.folder}}}]"
    assert list(ganzoo.run(recipe, *QUIET, with_bank, "train.steps=1", root=tmp_path)) == ["contextual"]
    build_bank([photographs], bank.folder, SMALL, limit=4, fresh=True)
    with pytest.raises(GanzooError, match=rf"sources\.evaluate\.metrics\.contextual\.bank: {bank.key} → "):
        ganzoo.run(recipe, *QUIET, with_bank, "train.steps=1", root=tmp_path)
    ganzoo.run(recipe, *QUIET, "evaluate.metrics=[cycle_l1]", "train.steps=1", root=tmp_path)


def test_a_bank_of_another_scale_is_refused(bank: Bank, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, evaluate={"metrics": measured(bank)}, images={"size": 20, "load": 24})
    with pytest.raises(GanzooError, match="photographs have 24×24 pixels, but the images have 20×20, so"):
        check(recipe, QUIET)
