"""Steps, keyed draws, roles and the schedule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo.interfaces import Masker
from ganzoo.interfaces.lr_schedule import linear_decay
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws, keyed, torch_seed
from ganzoo.step import Step
from ganzoo_maskers.fixed import Shared
from tests.support.stand_in_methods import batch_step


def test_keyed_draws_are_pinned() -> None:
    """These values must never change: they decide every run's data and noise."""
    assert keyed(0, "flip").integers(0, 1000, 4).tolist() == [345, 998, 677, 855]
    assert torch_seed(3, "init") == 7276406347593826982
    assert keyed(0, "flip").integers(0, 2**31) != keyed(1, "flip").integers(0, 2**31)
    assert keyed(0, 1, "x").integers(0, 2**31) != keyed(0, "1", "x").integers(0, 2**31)
    assert 0 <= torch_seed(3, "init") < 2**63


def test_the_draws_of_a_sample_do_not_depend_on_the_other_samples() -> None:
    whole = Step({}, seed=1, index=2, samples=[4, 5, 6])
    part = Step({}, seed=1, index=2, samples=[6])
    for draw in (lambda d: d.uniform(3), lambda d: d.normal(2, 2), lambda d: d.integers(0, 9, 5)):
        assert torch.equal(draw(whole.rng("p"))[2:], draw(part.rng("p")))
    assert not torch.equal(whole.rng("p").uniform(8), whole.rng("q").uniform(8))


def test_draws_follow_their_distributions() -> None:
    draws = Draws([keyed(i) for i in range(400)])
    uniform = draws.uniform(50, low=-2, high=6)
    assert float(uniform.min()) >= -2 and float(uniform.max()) < 6
    assert float(uniform.mean()) == pytest.approx(2, abs=0.1)
    normal = draws.normal(50)
    assert (float(normal.mean()), float(normal.std())) == pytest.approx((0, 1), abs=0.03)
    assert set(draws.integers(3, 6, 20).unique().tolist()) == {3, 4, 5}


def test_the_common_draw_is_the_same_for_all_samples() -> None:
    one, two = Step({}, seed=1, index=2, samples=[4]), Step({}, seed=1, index=2, samples=[9, 10])
    assert one.common_rng("mask-out").random() == two.common_rng("mask-out").random()


def test_detached_and_inputs_do_not_change_the_step() -> None:
    step = batch_step()
    weight = torch.ones(1, requires_grad=True)
    step["fake_B"] = step["real_A"] * weight
    assert not step.detached()["fake_B"].requires_grad
    assert step["fake_B"].requires_grad
    assert set(step.inputs()) == {"real_A", "real_B"}
    assert step.inputs().samples == step.samples


def test_halve_keeps_the_first_of_every_two_samples_and_returns_the_second_ones() -> None:
    whole, step = (batch_step(batch=6, samples=range(10, 16), seed=3, index=5) for _ in range(2))
    step.positions = whole.positions = (0, 1, 2, 3, 4, 5)
    others = step.halve()
    for part, first in ((step, 0), (others, 1)):
        assert part.samples == whole.samples[first::2] and part.positions == whole.positions[first::2]
        assert torch.equal(part["real_A"], whole["real_A"][first::2])
        assert torch.equal(part.rng("p").uniform(4), whole.rng("p").uniform(4)[first::2])
        assert torch.equal(part.inputs()["real_B"], whole["real_B"][first::2])
    assert (others.seed, others.index) == (step.seed, step.index)


def test_a_missing_tensor_is_reported_with_the_most_similar_name() -> None:
    with pytest.raises(KeyError, match=r"no tensor 'reel_A' in this step \(did you mean 'real_A'\?\)"):
        batch_step()["reel_A"]


class Random(Masker):
    """A random mask of the given draws; counts its calls."""

    def __init__(self, planes: int = 1) -> None:
        super().__init__()
        self.planes = planes
        self.calls = 0

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        self.calls += 1
        noise = rng.uniform(self.planes, *image.shape[-2:])
        return noise if given is None else given.expand_as(noise)


def test_two_phases_of_a_step_use_the_same_mask() -> None:
    roles, step = Roles({"discriminator": Random()}), batch_step()
    first = roles.for_discriminator(step, "real_A")
    second = roles.for_discriminator(step.detached(), "real_A")
    assert torch.equal(first, second)
    assert torch.equal(first, step["real_A"] * step["discriminator_mask_real_A"])


def test_without_a_masker_each_role_returns_its_input() -> None:
    roles, step = Roles(), batch_step()
    assert roles.for_discriminator(step, "real_A") is step["real_A"]
    assert roles.composite(step, "real_A", step["real_B"]) is step["real_B"]
    assert roles.labels(step, "real_A") is None
    assert set(step) == {"real_A", "real_B"}


def test_a_generated_image_gets_the_mask_of_its_source_image() -> None:
    step = batch_step()
    step["given_mask_A"], step["given_mask_B"] = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8)
    step["fake_B"], step["fake_A"], step["rec_A"] = (torch.rand(2, 3, 8, 8) for _ in range(3))
    roles = Roles({"discriminator": Random()})
    roles.set_sources({"fake_B": "A", "fake_A": "B", "rec_A": "A", "pooled_B": None})
    assert roles.mask("discriminator", step, "fake_B").sum() == 0
    assert roles.mask("discriminator", step, "rec_A").sum() == 0
    assert roles.mask("discriminator", step, "fake_A").mean() == 1


def test_composite_follows_its_formula() -> None:
    roles, step = Roles({"composite": Random()}), batch_step()
    mixed = roles.composite(step, "real_A", step["real_B"])
    mask = step["composite_mask_real_A"]
    torch.testing.assert_close(mixed, mask * step["real_B"] + (1 - mask) * step["real_A"])


def test_foreground_classes_are_added_and_clamped() -> None:
    step = batch_step()
    planes = Roles({"labels": Random(3)}).labels(step, "real_A")
    assert planes is not None and planes.shape == (2, 3, 8, 8)
    one = Roles({"discriminator": Random(3)}, {"discriminator": MaskTransform(foreground=(0, 2))}).mask(
        "discriminator", batch_step(), "real_A"
    )
    assert one.shape == (2, 1, 8, 8)
    raw = batch_step().rng("mask/discriminator").uniform(3, 8, 8)
    torch.testing.assert_close(one, (raw[:, :1] + raw[:, 2:]).clamp(max=1))


def test_a_shared_mask_is_the_other_roles_mask_after_its_transform() -> None:
    step = batch_step()
    transforms = {"composite": MaskTransform(threshold=0.5), "discriminator": MaskTransform(invert=True)}
    roles = Roles({"composite": Random(), "discriminator": Shared(role="composite")}, transforms)
    shared, composite = (roles.mask(role, step, "real_A") for role in ("discriminator", "composite"))
    assert torch.equal(shared, 1 - composite)
    assert set(composite.unique().tolist()) == {0.0, 1.0}
    given = batch_step()
    given["composite_mask_real_A"] = torch.full((2, 1, 8, 8), 0.25)  # a mask that the step already has is shared too
    assert roles.mask("discriminator", given, "real_A").eq(0.75).all()


def test_a_mask_passes_no_gradient_to_the_image() -> None:
    class Bright(Masker):
        def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
            return image.mean(1, keepdim=True).sigmoid()

    step = batch_step()
    step["real_A"].requires_grad_()
    masked = Roles({"discriminator": Bright()}).for_discriminator(step, "real_A")
    (gradient,) = torch.autograd.grad(masked.sum(), step["real_A"])
    torch.testing.assert_close(gradient, step["discriminator_mask_real_A"].expand_as(gradient))


def test_the_schedule_equals_that_released_with_cyclegan() -> None:
    factors = [linear_decay(done, 200, 0.5) for done in range(200)]
    assert factors[:100] == [1.0] * 100
    # e counted from 1: 1 − max(0, e − 100)/101
    np.testing.assert_allclose(factors, [1 - max(0, e - 100) / 101 for e in range(1, 201)])
    assert factors[-1] == pytest.approx(1 / 101)
    assert [linear_decay(done, 7, 0) for done in range(7)] == [1.0] * 7
    assert linear_decay(0, 10, 1) == pytest.approx(10 / 11)
