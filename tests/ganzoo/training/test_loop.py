"""What the training loop gives to each step, and what it logs of the steps' losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest
from torch import Tensor

import ganzoo as package
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from tests.support.tiny_run import lines, write_recipe

Seen = list[tuple[int, int, float, tuple[float, ...]]]


def recording_steps(monkeypatch: pytest.MonkeyPatch) -> Seen:
    """Record of each training step its index, its epoch, its progress, and the learning rates of all optimizers."""
    original = Engine.step
    seen: Seen = []

    def step(self: Engine, micros: Sequence[Step]) -> Any:
        rates = tuple(group["lr"] for optimizer in self.optimizers.values() for group in optimizer.param_groups)
        seen.extend((one.index, one.epoch, one.progress, rates) for one in micros)
        return original(self, micros)

    monkeypatch.setattr(Engine, "step", step)
    return seen


def test_each_step_has_its_place_in_the_run_and_its_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There are eleven training images of each domain: five steps an epoch. The rate halves after every three steps."""
    train = {"steps": 8, "sample": 0, "warmup": 2, "lr_policy": "step", "lr_every": 3, "lr_gamma": 0.5, "log": 1}
    recipe = write_recipe(tmp_path, train=train, evaluate={"metrics": [], "every": 0, "best": None})
    seen = recording_steps(monkeypatch)
    package.run(recipe, "train.steps=5", root=tmp_path)
    package.run(recipe, root=tmp_path)
    assert seen.pop(0)[0] == 0  # the step that is tried before the training
    rates = [0.5e-3, 1e-3, 1e-3, 0.5e-3, 0.5e-3, 0.5e-3, 0.25e-3, 0.25e-3]
    assert [(index, epoch) for index, epoch, _, _ in seen] == [(i, i // 5) for i in range(8)]
    assert [progress for _, _, progress, _ in seen] == [i / 5 for i in range(5)] + [i / 8 for i in range(5, 8)]
    for (*_, used), expected in zip(seen, rates, strict=True):
        assert used == pytest.approx([expected] * 2)
    logged = [line["lr"] for line in lines(tmp_path / "tiny/default/metrics.jsonl")]
    assert logged == pytest.approx(rates)


def breaking_steps(monkeypatch: pytest.MonkeyPatch, *indices: int) -> None:
    """Make one loss term of these steps not finite."""
    original: Callable[[CycleGAN, Step], dict[str, Tensor]] = CycleGAN.generator_losses

    def broken(self: CycleGAN, step: Step) -> dict[str, Tensor]:
        losses = original(self, step)
        return losses if step.index not in indices else losses | {"cycle_A": losses["cycle_A"] * float("nan")}

    monkeypatch.setattr(CycleGAN, "generator_losses", broken)


def test_a_line_of_the_log_has_the_mean_of_its_finite_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps 2, 4, 5 and 6 are not finite; one line each of every step, of every three steps, and of all."""
    breaking_steps(monkeypatch, 1, 3, 4, 5)
    recipe = write_recipe(tmp_path, train={"sample": 0, "save": 2}, evaluate={"metrics": [], "every": 0, "best": None})
    logs = {}
    for every in (1, 3, 8):
        package.run(recipe, f"train.log={every}", "train.patience=4", root=tmp_path / str(every))
        logs[every] = [line["losses"] for line in lines(tmp_path / str(every) / "tiny/default/metrics.jsonl")]
    single = logs[1]
    assert [bool(losses) for losses in single] == [True, False, True, False, False, False, True, True]
    assert [list(losses) for losses in logs[3]] == [list(single[0]), [], list(single[0])]
    assert "generator/cycle_A" in single[0] and "discriminator/D_A" in single[0]
    for name in single[0]:
        expected = fmean([single[0][name], single[2][name]]), fmean([single[6][name], single[7][name]])
        assert (logs[3][0][name], logs[3][2][name]) == pytest.approx(expected, rel=1e-6)
        assert logs[8][0][name] == pytest.approx(fmean(losses[name] for losses in single if losses), rel=1e-6)


def test_only_non_finite_steps_in_a_row_end_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breaking_steps(monkeypatch, 1, 2, 4, 5, 7)
    recipe = write_recipe(tmp_path, train={"sample": 0}, evaluate={"metrics": [], "every": 0, "best": None})
    package.run(recipe, "train.patience=3", root=tmp_path)
    events = [one for one in lines(tmp_path / "tiny/default/events.jsonl") if one["event"] == "not-finite"]
    assert [(one["step"], one["in_a_row"]) for one in events] == [(2, 1), (3, 2), (5, 1), (6, 2), (8, 1)]
    with pytest.raises(GanzooError, match=r"stopped at step 3: .* in 2 steps in a row"):
        package.run(recipe, "train.patience=2", root=tmp_path / "less")
