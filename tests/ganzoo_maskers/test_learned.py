"""The mask that is trained with the generators: it learns, is held, saved, averaged and used to translate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor

import ganzoo
from ganzoo import GanzooError
from ganzoo.build import build_method
from ganzoo.engine.engine import Engine
from ganzoo.randomness import Draws
from ganzoo.recipe.reader import read_recipe
from ganzoo_maskers.learned import Learned
from tests.support.stand_in_methods import batch_step
from tests.support.tiny_run import write_recipe

MASKER = {"masker": "learned", "width": 2}


def built(tmp_path: Path, **options: Any) -> Engine:
    recipe = read_recipe(write_recipe(tmp_path, maskers={"composite": {**MASKER, **options}}))
    return Engine(build_method(recipe, {"A": 3, "B": 3}), Accelerator(cpu=True), lr=1e-2)


@pytest.mark.parametrize("size", [(8, 8), (7, 13), (1, 2)])
def test_a_mask_has_the_images_size(size: tuple[int, int]) -> None:
    mask = Learned(width=2)(torch.rand(2, 3, *size), Draws([]))
    assert mask.shape == (2, 1, *size)
    assert ((mask > 0) & (mask < 1)).all()


def test_images_of_other_channels_are_refused() -> None:
    with pytest.raises(GanzooError, match="3 channels, and these have 1"):
        Learned()(torch.zeros(1, 1, 8, 8), Draws([]))


def test_its_terms_by_their_formulas() -> None:
    mask = torch.rand(2, 1, 3, 4, dtype=torch.float64)
    mask[1] *= 0.1
    terms = Learned(width=1, sparsity=2.0, least=0.3, opening=5.0, smoothness=3.0).terms(mask)
    planes = mask.squeeze(1).tolist()
    down = [abs(p[y + 1][x] - p[y][x]) for p in planes for y in range(2) for x in range(4)]
    across = [abs(p[y][x + 1] - p[y][x]) for p in planes for y in range(3) for x in range(3)]
    assert float(terms["sparsity"]) == pytest.approx(2 * float(mask.mean()))
    assert float(terms["smoothness"]) == pytest.approx(3 * (sum(down) / len(down) + sum(across) / len(across)))
    means = [sum(map(sum, p)) / 12 for p in planes]
    assert means[1] < 0.3 < means[0]
    assert float(terms["opening"]) == pytest.approx(5 * (0.3 - means[1]) / 2)


def test_it_is_trained_by_the_generators_phase_alone(tmp_path: Path) -> None:
    engine = built(tmp_path)
    assert engine.method.optims["masker_composite"].slots == ("masker_composite",)
    generator, critic = engine.method.phases
    assert "masker_composite" in generator.steps and "masker_composite" not in critic.steps
    masker = engine.networks["masker_composite"]
    before = [p.clone() for p in masker.parameters()]
    report, _ = engine.step([batch_step(size=12)])
    assert all(not torch.equal(old, new) for old, new in zip(before, masker.parameters(), strict=True))
    terms = {name for name in report if "masker_composite" in name}
    assert terms == {
        f"generator/masker_composite_{term}_{domain}"
        for term in ("sparsity", "opening", "smoothness")
        for domain in "AB"
    }


def mean_mask(engine: Engine, steps: int) -> float:
    for index in range(steps):
        engine.step([batch_step(size=12, seed=index, index=index)])
    step = batch_step(size=12, seed=99)
    with engine.evaluating():
        engine.method.forward(step)
    return float(step["composite_mask_real_A"].mean())


def test_sparsity_closes_it_and_opening_keeps_it_from_closing_for_good(tmp_path: Path) -> None:
    left = mean_mask(built(tmp_path, sparsity=0, opening=0), 1)
    closed = mean_mask(built(tmp_path, sparsity=5.0, opening=0), 20)
    held = mean_mask(built(tmp_path, sparsity=5.0, opening=300.0, least=0.3), 20)
    assert closed < 0.1 < 0.2 < held
    assert closed < left


def test_no_gradient_reaches_the_image_through_the_mask(tmp_path: Path) -> None:
    engine = built(tmp_path)
    step = batch_step(size=12)
    step["real_A"].requires_grad_()
    mask: Tensor = engine.method.masks.mask("composite", step, "real_A")
    assert mask.requires_grad
    with pytest.raises(RuntimeError, match="not have been used"):
        torch.autograd.grad(mask.sum(), step["real_A"])


def test_it_is_saved_averaged_and_used_to_translate(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, maskers={"composite": {**MASKER, "sparsity": 5}})
    ganzoo.run(recipe, "train.steps=3", root=tmp_path / "runs")
    last = tmp_path / "runs/tiny/default/checkpoints/last"
    saved, averaged = (load_file(last / f"{kind}/masker_composite.safetensors") for kind in ("networks", "average"))
    assert any(not torch.equal(saved[name], averaged[name]) for name in saved)
    translator = ganzoo.load(tmp_path / "runs/tiny/default", checkpoint="last")
    masker = translator.method.masks.maskers["composite"]
    assert all(torch.equal(value, averaged[name]) for name, value in masker.state_dict().items())
    assert translator.translate(torch.zeros(3, 9, 10)).shape == (3, 9, 10)


@pytest.mark.parametrize("role", ["discriminator", "input"])
def test_other_roles_cannot_teach_it(tmp_path: Path, role: str) -> None:
    method = {"discriminator": "cyclegan", "input": "mask_cyclegan"}[role]
    recipe = write_recipe(tmp_path, method={"method": method}, maskers={role: MASKER})
    with pytest.raises(GanzooError, match=rf"maskers.{role}: 'learned' is trained with the generators"):
        read_recipe(recipe)
