"""MUNIT's step, against its formulas written out in float64; when styles are drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganzoo
from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Masker
from ganzoo.step import Step
from ganzoo_munit.autoencoder import MUNITGenerator
from ganzoo_munit.method import MUNIT
from ganzoo_munit.multiscale import MultiScale
from tests.support.plain_steps import assert_trains_plainly, double_step, engine_of, l1
from tests.support.stand_in_methods import Constant
from tests.support.tiny_run import everything

SMALL: dict[str, Any] = {"width": 2, "hidden": 4, "blocks": 1, "style": 3}


def networks() -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {f"G_{one}": MUNITGenerator(3, 3, **SMALL) for one in "AB"}
    return made | {f"D_{one}": MultiScale(3, width=2, layers=2, scales=2) for one in "AB"}


def bound(method: MUNIT, **maskers: Masker) -> Engine:
    return engine_of(method, networks, **maskers)


def plainly(method: Any, step: Step, phase: str) -> dict[str, Tensor]:
    """Return the terms of a phase by the formulas: each pass by itself."""
    G_A, G_B = method.generator("A"), method.generator("B")
    D_A, D_B = (method.networks[f"D_{one}"] for one in "AB")
    x_a, x_b = step["real_A"], step["real_B"]
    s_a, s_b = (step.rng(f"style_{one}/{phase}").normal(3).double() for one in "AB")
    (c_a, own_a), (c_b, own_b) = G_A.encode(x_a), G_B.encode(x_b)
    x_ab, x_ba = G_B.decode(c_a, s_b), G_A.decode(c_b, s_a)
    if phase == "discriminator":
        discriminators = {"D_A": (D_A, x_a, x_ba), "D_B": (D_B, x_b, x_ab)}
        return {
            name: sum(((r - 1) ** 2).mean() for r in D(real)) + sum((f**2).mean() for f in D(fake.detach()))
            for name, (D, real, fake) in discriminators.items()
        }
    (c_ab, s_ab), (c_ba, s_ba) = G_B.encode(x_ab), G_A.encode(x_ba)
    return {
        "gan_AB": sum(((f - 1) ** 2).mean() for f in D_B(x_ab)),
        "gan_BA": sum(((f - 1) ** 2).mean() for f in D_A(x_ba)),
        "image_A": 10 * l1(G_A.decode(c_a, own_a), x_a),
        "image_B": 10 * l1(G_B.decode(c_b, own_b), x_b),
        "content_A": l1(c_ab, c_a),
        "content_B": l1(c_ba, c_b),
        "style_A": l1(s_ba, s_a),
        "style_B": l1(s_ab, s_b),
        "cycle_A": 7 * l1(G_A.decode(c_ab, own_a), x_a),
        "cycle_B": 7 * l1(G_B.decode(c_ba, own_b), x_b),
    }


def test_two_steps_are_the_formulas() -> None:
    """Discriminators first, then generators, each with styles of its own; Adam with L2 on every parameter."""
    options: dict[str, Any] = {"betas": (0.5, 0.999), "weight_decay": 1e-4}
    assert_trains_plainly(MUNIT(cycle=7), MUNIT(cycle=7), networks, plainly, **options)


def test_phases_draw_their_own_styles_unless_they_share() -> None:
    step = double_step()
    own, shared = MUNIT(), MUNIT(share_styles=True)
    for method in (own, shared):
        bound(method)
        found = []
        for phase in ("discriminator", "generator"):
            step.phase = phase
            found.append(method.random_style(step, "A"))
        assert torch.equal(*found) == (method is shared)
        assert not torch.equal(method.random_style(step, "A"), method.random_style(step, "B"))
    forwards = []
    engine = bound(shared)
    shared.forward = lambda step: forwards.append(1) or MUNIT.forward(shared, step)  # type: ignore[method-assign, func-returns-value]
    engine.step([double_step()])
    assert forwards == [1]


def test_content_is_not_detached() -> None:
    method = MUNIT(image=0, style=0, cycle=0)
    bound(method)
    step = double_step()
    method.forward(step)
    method.generator_losses(step)["content_A"].backward()
    assert any(p.grad is not None and p.grad.any() for p in method.generator("A").content.parameters())


def test_masks_reach_the_discriminators_and_composite() -> None:
    method = MUNIT()
    bound(method, composite=Constant(0.0))
    step = double_step()
    method.forward(step)
    assert torch.equal(step["fake_B"], step["real_A"])
    assert torch.equal(step["idt_B"], step["real_B"])
    masked = MUNIT()
    bound(masked, discriminator=Constant(0.0))
    step = double_step()
    masked.forward(step)
    losses = masked.generator_losses(step)
    assert torch.isclose(
        losses["gan_AB"], sum(((m - 1) ** 2).mean() for m in masked.networks["D_B"](0 * step["fake_B"]))
    )


def test_a_style_can_be_passed() -> None:
    method = MUNIT()
    bound(method)
    image, step = double_step()["real_A"], double_step()
    given = torch.randn(2, 3, dtype=torch.float64)
    content, _ = method.generator("A").encode(image)
    step["style"] = given
    assert torch.equal(method.translate(image, "AB", step), method.generator("B").decode(content, given))
    drawn = method.translate(image, "AB", double_step())
    assert not torch.allclose(drawn, method.translate(image, "AB", double_step(index=1)))
    assert torch.equal(drawn, method.translate(image, "AB", double_step()))
    assert method.style_size("B") == 3
    assert torch.equal(method.style_of(image, "A"), method.generator("A").encode(image)[1])


@pytest.mark.parametrize(("halve", "expected"), [(100, [1.0, 1.0, 0.5, 0.25]), (0, [1.0, 1.0, 2 / 3, 1 / 3])])
def test_the_learning_rate(halve: int, expected: list[float]) -> None:
    method = MUNIT(halve=halve)
    steps = [0, 99, 100, 250]
    assert [method.lr_factor(i, 4, 0.5, step) for i, step in enumerate(steps)] == pytest.approx(expected)


def test_a_run_is_resumed_to_the_same_end(munit_recipe: Path, tmp_path: Path) -> None:
    words = ["train.decay=0", "train.sample=0", "evaluate.every=0", "evaluate.best=null"]
    ganzoo.run(munit_recipe, *words, "train.steps=6", root=tmp_path / "whole")
    ganzoo.run(munit_recipe, *words, "train.steps=4", root=tmp_path / "halved")
    ganzoo.run(munit_recipe, *words, "train.steps=6", root=tmp_path / "halved")
    whole, halved = (everything(tmp_path / name / "tiny/default/checkpoints/last") for name in ("whole", "halved"))
    sums = {name for name in whole if ":sums/" in name}
    assert {name: one for name, one in whole.items() if name not in sums} == {
        name: one for name, one in halved.items() if name not in sums
    }
