"""Policies of the learning rate against torch's schedulers; their place in runs: resuming, processes, the log."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.optim import lr_scheduler

import ganzoo as package
from ganzoo.errors import GanzooError, SettingsChangedError
from ganzoo.interfaces import Method
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import TrainSettings
from ganzoo.training.lr_policy import Plateau, is_stretched, lr_factor
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_munit.method import MUNIT
from tests.ganzoo.training.test_run import run_until
from tests.support.tiny_run import assert_same, float64_run, lines, write_recipe

PLATEAU = {"lr_policy": "plateau", "lr_patience": 0, "lr_threshold": 1.0, "lr_gamma": 0.5, "lr_floor": 0.2, "warmup": 3}
"""Reduces the rate at each evaluation after the first: no value can be better by its whole size."""
Scheduler = Callable[[torch.optim.Optimizer], Any]


def scheduled(make: Scheduler, count: int) -> list[float]:
    """Return the learning rates that a scheduler of torch gives, from a rate of 1."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler, rates = make(optimizer), []
    for _ in range(count):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def factors(train: TrainSettings, count: int, steps_per_epoch: int = 1, method: Method | None = None) -> list[float]:
    return [lr_factor(train, method or CycleGAN(), Plateau(), index, steps_per_epoch) for index in range(count)]


CYCLEGAN: Scheduler = lambda one: lr_scheduler.LambdaLR(one, lambda epoch: 1 - max(0, epoch + 1 - 6) / (4 + 1))  # noqa: E731
"""The rule of CycleGAN's released code for 6 epochs at the full rate and 4 with decay."""


@pytest.mark.parametrize(
    ("options", "scheduler"),
    [
        ({"lr_policy": "linear", "decay": 0.4}, CYCLEGAN),
        ({"decay": 0.4}, CYCLEGAN),
        ({"lr_policy": "cosine"}, lambda one: lr_scheduler.CosineAnnealingLR(one, T_max=10)),
        (
            {"lr_policy": "cosine", "lr_floor": 0.1},
            lambda one: lr_scheduler.CosineAnnealingLR(one, T_max=10, eta_min=0.1),
        ),
        (
            {"lr_policy": "cosine", "decay": 0.4},
            lambda one: lr_scheduler.SequentialLR(
                one,
                [lr_scheduler.ConstantLR(one, 1.0), lr_scheduler.CosineAnnealingLR(one, T_max=4)],
                milestones=[6],
            ),
        ),
        ({"lr_policy": "step", "lr_every": 3}, lambda one: lr_scheduler.StepLR(one, 3)),
        ({"lr_policy": "step", "lr_every": 4, "lr_gamma": 0.3}, lambda one: lr_scheduler.StepLR(one, 4, 0.3)),
        ({"decay": 0.0, "warmup": 4}, lambda one: lr_scheduler.LinearLR(one, 1 / 4, total_iters=3)),
    ],
)
@pytest.mark.filterwarnings("ignore:.*epoch parameter")
def test_policies_equal_torchs_schedulers(options: dict[str, Any], scheduler: Scheduler) -> None:
    expected = pytest.approx(scheduled(scheduler, 10), abs=1e-12)
    assert factors(TrainSettings(steps=10, **options), 10) == expected
    if "warmup" not in options:  # in epochs the same, each for all of its steps
        assert factors(TrainSettings(epochs=10, **options), 30, steps_per_epoch=3)[1::3] == expected


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("options", [{}, {"patience": 1, "threshold": 0.3, "factor": 0.5, "min_lr": 0.3}])
def test_plateau_equals_torchs_scheduler(mode: Any, options: dict[str, Any]) -> None:
    drawn = torch.rand(40, generator=torch.Generator().manual_seed(3)).tolist()
    values = [0.9, 0.5, 0.49, *drawn[:20], float("nan"), *drawn[20:]]
    anchors = {"factor": 0.2, "threshold": 0.01, "patience": 5, **options}
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode, **anchors)
    names = {"factor": "lr_gamma", "min_lr": "lr_floor"}
    ours = {names.get(name, f"lr_{name}"): value for name, value in options.items()}
    train, plateau, expected, found = TrainSettings(steps=9, lr_policy="plateau", **ours), Plateau(), [], []
    for value in values:
        scheduler.step(value)
        plateau.update(train, f"{mode} fid", {"fid": value})
        expected.append(optimizer.param_groups[0]["lr"])
        found.append(lr_factor(train, CycleGAN(), plateau, 0, 1))
    assert found == pytest.approx(expected, rel=1e-6)
    assert len(set(found)) > 2


def test_another_rule_starts_the_comparison_anew() -> None:
    train, plateau = TrainSettings(steps=9, lr_policy="plateau", lr_patience=0), Plateau()
    plateau.update(train, "min a", {"a": 1.0})
    assert not plateau.update(train, "max b", {"b": 5.0})
    assert plateau.update(train, "max b", {}) and plateau.factor == 0.2


def test_a_methods_own_schedule_is_the_default_and_a_policy_replaces_it() -> None:
    own, replaced = TrainSettings(steps=8), TrainSettings(steps=8, lr_policy="step", lr_every=4)
    assert factors(own, 4, method=MUNIT(halve=2)) == [1, 1, 0.5, 0.5]
    assert factors(replaced, 6, method=MUNIT(halve=2)) == pytest.approx([1, 1, 1, 1, 0.1, 0.1])
    warm = TrainSettings(steps=8, warmup=2)
    assert factors(warm, 4, method=MUNIT(halve=2)) == [0.5, 1, 0.5, 0.5]


def test_a_schedule_is_stretched_where_another_length_changes_the_rate() -> None:
    own, cyclegan = TrainSettings(steps=9), CycleGAN()
    assert is_stretched(own, cyclegan, 10, (0, 10), (0, 20))  # at the end of the earlier length
    assert is_stretched(own, cyclegan, 1, (0, 10), (0, 20))  # before the rate falls
    assert is_stretched(own, cyclegan, 5, (0, 20), (0, 10))
    assert is_stretched(own, cyclegan, 2, (2, 12), (2, 16))  # more images
    assert not is_stretched(own, cyclegan, 5, (0, 10), (5, 10))
    assert not is_stretched(own, cyclegan, 5, (0, 0), (0, 10))  # the earlier length is unknown
    for settings, method in [
        (own, MUNIT(halve=2)),
        (TrainSettings(steps=9, decay=0.0), cyclegan),
        (TrainSettings(steps=9, lr_policy="step", lr_every=2), cyclegan),
        (TrainSettings(steps=9, lr_policy="plateau"), cyclegan),
    ]:
        assert not is_stretched(settings, method, 5, (0, 10), (0, 20))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lr_every": 3}, "lr_every is set, but the method's own schedule does not read it: .* lr_policy: step"),
        ({"lr_policy": "linear", "lr_floor": 0.1}, "lr_floor is set, but lr_policy: linear does not read it"),
        ({"lr_policy": "step"}, "lr_policy: step needs lr_every, the time between two reductions"),
    ],
)
def test_options_that_a_policy_lacks_or_ignores_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        TrainSettings(steps=8, **options)


def test_plateau_needs_a_value_to_follow(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, train={"steps": 2, "lr_policy": "plateau"}, evaluate={"best": None})
    with pytest.raises(GanzooError, match=r"tiny\.yaml:\d+: train\.lr_policy: .*plateau follows .* evaluate\.best"):
        read_recipe(recipe)


def write_plateau(folder: Path) -> Path:
    train = {"steps": 8, "precision": "fp32", "batch": 2, "lr": 1e-3, "log": 1, "sample": 0, "save": 2, **PLATEAU}
    return write_recipe(folder, train=train, evaluate={"every": 2})


def test_a_plateau_and_a_warmup_in_a_run_that_dies_and_resumes(tmp_path: Path) -> None:
    recipe = write_plateau(tmp_path)
    package.run(recipe, root=tmp_path / "whole")
    whole = tmp_path / "whole/tiny/default"
    rates = [line["lr"] / 1e-3 for line in lines(whole / "metrics.jsonl") if "lr" in line]
    assert rates == pytest.approx([1 / 3, 2 / 3, 1, 1, 0.5, 0.5, 0.25, 0.25])
    reduced = [line for line in lines(whole / "events.jsonl") if line["event"] == "lr-reduced"]
    assert [(line["step"], line["factor"]) for line in reduced] == [(4, 0.5), (6, 0.25), (8, 0.2)]
    folder = run_until(recipe, 5, tmp_path / "died")  # the last checkpoint, of step 4, has the first reduction
    package.run(recipe, root=tmp_path / "died")
    assert_same(whole, folder)


def test_a_policy_may_not_change_when_a_run_is_resumed(tmp_path: Path) -> None:
    recipe = write_plateau(tmp_path)
    package.run(recipe, "train.steps=2", root=tmp_path)
    with pytest.raises(SettingsChangedError, match=r"train\.lr_gamma: 0\.5 → 0\.1"):
        package.run(recipe, "train.lr_gamma=0.1", root=tmp_path)


@pytest.mark.slow
def test_two_processes_reduce_the_rate_alike(tmp_path: Path) -> None:
    recipe = write_plateau(tmp_path)
    one = float64_run(recipe, tmp_path / "one", "train.batch=4")
    two = float64_run(recipe, tmp_path / "two", "train.batch=2", processes=2)
    rates = [[line["lr"] for line in lines(run / "metrics.jsonl") if "lr" in line] for run in (one, two)]
    assert rates[0] == rates[1] and min(rates[0]) < 0.3e-3
