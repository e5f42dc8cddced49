"""What a discriminator sees: keyed by sample, slot, phase and call; gradients reach the generator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.engine.discriminators.view import View
from ganzoo.interfaces import Step, forward_together
from ganzoo.recipe.discriminator_options import DiscriminatorOptions

IMAGES = torch.rand(4, 3, 8, 8) * 2 - 1


def view(slot: str = "D_A", network: nn.Module | None = None, **options: Any) -> View:
    return View(network or nn.Identity(), slot, DiscriminatorOptions(**options), (3,))


def step(samples: range = range(4), **about: Any) -> Step:
    return Step({"real_A": IMAGES[: len(samples)]}, samples=samples, **about)


def seen(one: View, *batches: Tensor, of: Step | None = None, purpose: str = "discriminator") -> list[Tensor]:
    one.start(of or step(), purpose)
    return [one(batch) for batch in batches]


EVERYTHING: dict[str, Any] = {"augment": "diffaugment", "noise": 0.1}


def test_each_sample_sees_the_same_in_any_division_over_processes() -> None:
    (whole,) = seen(view(**EVERYTHING), IMAGES)
    halves = [
        seen(view(**EVERYTHING), IMAGES[part], of=step(range(part.start, part.stop)))[0]
        for part in (slice(0, 2), slice(2, 4))
    ]
    assert torch.equal(whole, torch.cat(halves))
    assert not torch.equal(whole, IMAGES)


def test_batches_in_one_call_are_seen_as_in_several_calls() -> None:
    one = view(**EVERYTHING)
    one.start(step(), "discriminator")
    together = forward_together(one, [IMAGES, -IMAGES])
    third = one(IMAGES)
    apart = seen(view(**EVERYTHING), IMAGES, -IMAGES, IMAGES)
    assert all(torch.equal(mine, other) for mine, other in zip([*together, third], apart, strict=True))
    assert not torch.equal(third, together[0])


@pytest.mark.parametrize(
    ("change", "about"),
    [({"slot": "D_B"}, {}), ({}, {"purpose": "generator"}), ({}, {"of": step(index=1)}), ({}, {"of": step(seed=1)})],
)
def test_slot_phase_step_and_seed_give_other_draws(change: dict[str, Any], about: dict[str, Any]) -> None:
    first, other = seen(view(**EVERYTHING), IMAGES)[0], seen(view(**change, **EVERYTHING), IMAGES, **about)[0]
    assert not torch.equal(first, other)


def test_noise_is_drawn_alike_with_and_without_augmentation() -> None:
    zeros = torch.zeros_like(IMAGES)
    cut = seen(view(augment={"diffaugment": ["cutout"]}, noise=0.1), zeros)[0]
    assert torch.equal(cut, seen(view(noise=0.1), zeros)[0])


@pytest.mark.parametrize(
    ("noise", "progress", "sigma"),
    [
        (0.2, 0.0, 0.2),
        (0.2, 0.5, 0.1),
        ({"sigma": 0.2, "until": 0.5}, 0.25, 0.1),
        ({"sigma": 0.2, "until": 0.5}, 0.75, 0.0),
    ],
)
def test_noise_falls_to_0(noise: Any, progress: float, sigma: float) -> None:
    large = torch.zeros(4, 3, 40, 40)
    (noisy,) = seen(view(noise=noise), large, of=step(progress=progress))
    assert float(noisy.std()) == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize("augment", ["diffaugment", "ada"])
def test_the_gradient_reaches_the_images(augment: str) -> None:
    one = view(augment=augment)
    if one.ada is not None:
        one.ada.p.fill_(0.5)
    images = IMAGES.clone().requires_grad_()
    seen(one, images)[0].square().sum().backward()
    assert images.grad is not None and bool((images.grad.flatten(1) != 0).any(1).all())


def test_half_precision_is_augmented_in_float32() -> None:
    with torch.autocast("cpu", torch.bfloat16):
        (found,) = seen(view(augment="diffaugment"), IMAGES.bfloat16())
    (expected,) = seen(view(augment="diffaugment"), IMAGES.bfloat16().float())
    assert found.dtype == torch.float32
    assert torch.equal(found, expected)


@pytest.mark.parametrize("augment", ["diffaugment", "ada"])
def test_label_maps_keep_their_colors(augment: Any) -> None:
    """Of a map of three classes beside an image, as of pix2pix, only the places change."""
    labels = torch.eye(3)[torch.randint(3, (4, 8, 8), generator=torch.Generator().manual_seed(0))].permute(0, 3, 1, 2)
    pair = torch.cat([labels, IMAGES], 1)
    shown = [View(nn.Identity(), "D", DiscriminatorOptions(augment=augment), (3, 3), maps) for maps in ((0,), ())]
    for one in shown:
        if one.ada is not None:
            one.ada.p.fill_(1.0)
    with_maps, without = (seen(one, pair)[0] for one in shown)
    assert torch.equal(with_maps[:, 3:], without[:, 3:])
    assert float(with_maps[:, :3].min()) >= 0 and float(with_maps[:, :3].max()) <= 1 + 1e-6
    assert bool((without[:, :3].amin((1, 2, 3)) < 0).any())


def test_outside_of_a_step_images_stay_as_they_are() -> None:
    one = view(**EVERYTHING)
    assert torch.equal(one(IMAGES), IMAGES)
    one.start(step(), "discriminator")
    one.reset()
    assert torch.equal(one(IMAGES), IMAGES)


def test_the_discriminator_s_own_attributes_are_reached() -> None:
    conv = nn.Conv2d(3, 1, 1)
    assert view(network=conv).out_channels == 1
    with pytest.raises(AttributeError, match="no_such"):
        _ = view(network=conv).no_such


def test_signs_are_summed_over_micro_batches() -> None:
    one = view(augment="ada")
    for signs in ([1.0, 0.5], [-1.0, 1.0]):
        micro = step()
        micro.real_signs["D_A"] = torch.tensor(signs)
        seen(one, IMAGES, of=micro)
        one.observe(micro)
    assert one.observed(torch.device("cpu")).tolist() == [1.5, 4.0]


def test_a_method_that_reports_no_logits_is_refused() -> None:
    one = view(augment="ada")
    seen(one, IMAGES)
    with pytest.raises(GanzooError, match=r"networks\.D_A\.augment: ada needs the signs"):
        one.observe(step())


def test_other_arguments_reach_the_discriminator() -> None:
    class Sum(nn.Module):
        def forward(self, images: Tensor, other: Tensor) -> Tensor:
            return images + other

    changed = view(network=Sum(), **EVERYTHING)
    changed.start(step(), "discriminator")
    assert torch.equal(changed(IMAGES, 3 + 0 * IMAGES), seen(view(**EVERYTHING), IMAGES)[0] + 3)
