"""Maskers trained with the generators, and pools of masked images: averages, resuming, several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor

import ganzoo
from ganzoo.build import build_method
from ganzoo.data.image_io import to_float
from ganzoo.data.loader import Reader
from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Direction, Metric
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.recipe.reader import read_recipe
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo.training.run import Run
from tests.support.killed_runs import train_until
from tests.support.stand_in_methods import Noise, batch_step, values_of
from tests.support.tiny_run import assert_same, everything, float64_run, lines, write_recipe

LEARNED = {"composite": {"masker": "learned", "width": 2}}
SHARED = LEARNED | {"discriminator": {"masker": "shared", "role": "composite"}}


class Share(Metric):
    """The mean mask of the source images, by role."""

    def __init__(self, masks: Roles) -> None:
        self.masks = masks

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        name = f"real_{direction[0]}"
        return {role: self.masks.mask(role, step, name).mean(dim=(1, 2, 3)) for role in ("composite", "discriminator")}

    def compute(self, rows: Any, real: Any) -> dict[str, float]:
        return {role: float(shares.mean()) for role, shares in rows.items()}


def test_evaluation_uses_the_averaged_masker_and_training_the_masker_itself(tmp_path: Path) -> None:
    recipe = read_recipe(write_recipe(tmp_path, method={"method": "smcyclegan"}, maskers=SHARED))
    engine = Engine(build_method(recipe, {"A": 3, "B": 3}), Accelerator(cpu=True), lr=1e-2, ema=0.5)
    for index in range(3):
        engine.step([batch_step(size=12, seed=index, index=index)])
    assert engine.average is not None
    data = Noise(size=12)
    a, b = (to_float(np.stack([data.sample("test", domain, i).image for i in range(4)])) for domain in "AB")

    def mask_of(masker: Any) -> Tensor:
        with torch.no_grad():
            return torch.as_tensor(masker(a, Draws([])))

    def in_the_step() -> Step:
        step = Step({"real_A": a, "real_B": b}, samples=range(4), training=False)
        engine.method.forward(step)
        return step

    trained = engine.networks["masker_composite"]
    current, averaged = mask_of(trained), mask_of(engine.average.networks["masker_composite"])
    assert not torch.allclose(current, averaged, atol=1e-3)
    with engine.evaluating():
        step = in_the_step()
        torch.testing.assert_close(step["composite_mask_real_A"], averaged)
        generated = engine.average.networks["G_AB"](a)
        torch.testing.assert_close(step["fake_B"], averaged * generated + (1 - averaged) * a)
    torch.testing.assert_close(in_the_step()["composite_mask_real_A"], current)

    reader = Reader(data, ImageSettings(size=12))
    values = values_of(engine, reader, Share(engine.method.masks))
    for role in ("composite", "discriminator"):
        assert values[f"{role}_AB"] == pytest.approx(float(averaged.mean()), rel=1e-6)
        assert values[f"{role}_AB"] != pytest.approx(float(current.mean()), rel=1e-4)
    before = [parameter.clone() for parameter in trained.parameters()]
    engine.step([batch_step(size=12, seed=3, index=3)])
    assert all(not torch.equal(old, new) for old, new in zip(before, trained.parameters(), strict=True))


@pytest.mark.parametrize(
    ("method", "maskers", "saved_names"),
    [
        ("cyclegan", LEARNED, {"networks/masker_composite", "average/masker_composite", "optimizers:masker_composite"}),
        ("smcyclegan", SHARED, {"networks/masker_composite", "process-0:method/A.1.1"}),
        ("mask_cyclegan", {"input": {"masker": "multi_rectangle"}}, {"networks/E_AB", "process-0:method/masked_B.1.1"}),
    ],
    ids=["learned", "learned and shared", "masked pools"],
)
def test_a_run_that_died_halfway_resumes_to_the_same_result(
    tmp_path: Path, method: str, maskers: Any, saved_names: set[str]
) -> None:
    recipe = write_recipe(tmp_path, method={"method": method}, maskers=maskers)
    ganzoo.run(recipe, root=tmp_path / "whole")
    run = Run.prepare(recipe, root=tmp_path / "halves")
    train_until(run, 4)
    ganzoo.run(recipe, root=tmp_path / "halves")
    whole, halves = (tmp_path / which / "tiny/default" for which in ("whole", "halves"))
    assert [one["step"] for one in lines(halves / "events.jsonl") if one["event"] == "resumed"] == [4]
    assert_same(whole, halves)
    saved = [name.replace(".safetensors", "") for name in everything(halves / "checkpoints/last")]
    assert {start for start in saved_names if not any(name.startswith(start) for name in saved)} == set()


@pytest.mark.slow
def test_a_mask_learned_by_two_processes_equals_that_of_one_with_twice_the_batch(tmp_path: Path) -> None:
    """Compare weights, averages, losses and metric values after 6 steps in float64; the mask itself is float32."""
    train = {"steps": 6, "log": 2, "sample": 0}
    recipe = write_recipe(tmp_path, method={"method": "smcyclegan"}, maskers=SHARED, train=train)
    two = float64_run(recipe, tmp_path / "two", processes=2)
    one = float64_run(recipe, tmp_path / "one", "train.batch=4")
    for kind in ("networks", "average"):
        single, double = (
            load_file(run / "checkpoints/last" / kind / "masker_composite.safetensors") for run in (one, two)
        )
        assert single.keys() == double.keys()
        for name in single:
            torch.testing.assert_close(single[name], double[name], rtol=1e-6, atol=1e-8, msg=f"{kind} {name}")
    losses = {name for line in lines(one / "metrics.jsonl") for name in line.get("losses", {})}
    assert "generator/masker_composite_sparsity_A" in losses
    for file in ("metrics.jsonl", "results.jsonl"):
        for single_line, double_line in zip(lines(one / file), lines(two / file), strict=True):
            for part in ("losses", "values"):
                assert single_line.get(part, {}) == pytest.approx(double_line.get(part, {}), rel=1e-5)
