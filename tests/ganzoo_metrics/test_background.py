"""The background's error against loops over pixels, for every origin of the mask."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction, Masker, Method, Sample, Split
from ganzoo.masks.roles import ROLES, Roles
from ganzoo.plugins import plugins
from ganzoo.randomness import Draws
from ganzoo.recipe.options import build
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_maskers.fixed import File, Round
from ganzoo_maskers.square import CenteredSquare
from ganzoo_metrics.background import BackgroundL1, Which
from tests.support.command_line import refusal
from tests.support.stand_in_methods import Noise, batch_step, engine_of, values_of


class Bright(Masker):
    """Looks at the image, so that each has a mask of its own."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) > 0).to(image.dtype)


def metric(roles: Roles | None = None, **options: Any) -> BackgroundL1:
    made: BackgroundL1 = build(plugins().registry.get("metric", "background_l1"), **options)
    method = CycleGAN()
    method.bind({}, roles or Roles())
    made.bind(method, Reader(Noise(masks=True), ImageSettings(size=8)))
    made.prepare(0)
    return made


def translated(batch: int = 3, size: int = 6, *, soft: bool = True) -> Step:
    """Return a step of noise with masks that differ from image to image."""
    step = batch_step(batch, size)
    drawn = torch.Generator().manual_seed(1)
    for source, target in ("AB", "BA"):
        step[f"fake_{target}"] = torch.rand(batch, 3, size, size, generator=drawn) * 2 - 1
        mask = torch.rand(batch, 1, size, size, generator=drawn)
        step[f"given_mask_{source}"] = mask if soft else mask.round()
    return step


def plainly(step: Step, direction: Direction, mask: Tensor) -> list[float]:
    """Return each image's error, pixel by pixel."""
    real, fake = (step[name].double() for name in (f"real_{direction[0]}", f"fake_{direction[1]}"))
    batch, channels, height, width = real.shape
    errors = []
    for i in range(batch):
        total = weight = 0.0
        for y in range(height):
            for x in range(width):
                share = 1 - float(mask[i, 0, y, x])
                difference = sum(abs(float(fake[i, c, y, x] - real[i, c, y, x])) for c in range(channels))
                total += share * difference / channels
                weight += share
        errors.append(total / weight)
    return errors


@pytest.mark.parametrize("direction", ["AB", "BA"])
@pytest.mark.parametrize("soft", [True, False])
def test_the_formula(direction: Direction, soft: bool) -> None:
    step, measure = translated(soft=soft), metric()
    expected = plainly(step, direction, step[f"given_mask_{direction[0]}"])
    rows = measure.rows(step, direction)
    assert rows["error"].tolist() == pytest.approx(expected, rel=1e-5)
    assert measure.compute(rows, {}) == {"background_l1": pytest.approx(np.mean(expected), rel=1e-5)}


def test_what_happens_in_the_foreground_is_left_out() -> None:
    step, measure = translated(soft=False), metric()
    before = measure.rows(step, "AB")["error"]
    step["fake_B"] = torch.where(step["given_mask_A"] == 1, -step["fake_B"], step["fake_B"])
    assert torch.equal(measure.rows(step, "AB")["error"], before)
    step["fake_B"] = torch.where(step["given_mask_A"] == 1, step["fake_B"], step["real_A"])
    assert measure.rows(step, "AB")["error"].eq(0).all()


@pytest.mark.parametrize("which", ["input", "discriminator", "composite"])
def test_the_mask_is_the_role_s_of_the_source_image(which: Which) -> None:
    others = {role: CenteredSquare() for role in ROLES if role != which}
    step, measure = translated(), metric(Roles({which: Bright(), **others}), mask=which)
    for direction in ("AB", "BA"):
        mask = Bright()(step[f"real_{direction[0]}"], step.rng(""))
        found = measure.rows(step, direction)["error"].tolist()
        assert found == pytest.approx(plainly(step, direction, mask), rel=1e-5)


def test_what_the_recipe_does_to_the_mask_counts() -> None:
    step = translated(soft=False)
    inverted = metric(Roles({"discriminator": File()}, {"discriminator": lambda mask: 1 - mask}), mask="discriminator")
    expected = plainly(step, "AB", 1 - step["given_mask_A"])
    assert inverted.rows(step, "AB")["error"].tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("left", [0.0, 0.9])
def test_a_image_without_background_does_not_count(left: float) -> None:
    """All foreground, or nine tenths of a pixel of background in all."""
    step, measure = translated(), metric()
    expected = np.mean(plainly(step, "AB", step["given_mask_A"])[:2])
    step["given_mask_A"][2] = 1 - left / 36
    assert measure.compute(measure.rows(step, "AB"), {})["background_l1"] == pytest.approx(expected, rel=1e-5)
    step["given_mask_A"][:] = 1
    assert math.isnan(measure.compute(measure.rows(step, "AB"), {})["background_l1"])


def test_one_pixel_of_background_counts() -> None:
    step, measure = translated(), metric()
    step["given_mask_A"][:] = 1
    step["given_mask_A"][1, 0, 2, 3] = 0
    expected = (step["fake_B"] - step["real_A"])[1, :, 2, 3].abs().mean()
    assert measure.compute(measure.rows(step, "AB"), {})["background_l1"] == pytest.approx(float(expected), rel=1e-5)


def test_a_broken_image_is_not_hidden() -> None:
    step, measure = translated(), metric()
    step["fake_B"][1, 0, 0, 0] = float("nan")
    assert math.isnan(measure.compute(measure.rows(step, "AB"), {})["background_l1"])


def test_half_precision_is_measured_in_float32() -> None:
    step, measure = translated(), metric()
    step["fake_B"], step["given_mask_A"] = step["fake_B"].bfloat16(), step["given_mask_A"].bfloat16()
    rows = measure.rows(step, "AB")
    assert {one.dtype for one in rows.values()} == {torch.float32}
    assert rows["error"].tolist() == pytest.approx(plainly(step, "AB", step["given_mask_A"]), rel=1e-5)


class Masked(Noise):
    """Noise whose foreground is a bar that moves with the image; the last of A is all foreground."""

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        mask = np.zeros((self.size, self.size), np.uint8)
        mask[:, index :: 3 + index] = 255
        if domain == "A" and index == self.held_out - 1:
            mask[:] = 255
        return replace(super().sample(split, domain, index), mask=mask)


@pytest.mark.parametrize("options", [{}, {"mask": "discriminator"}])
def test_an_evaluation_does_not_depend_on_its_batches(options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    engine = engine_of(CycleGAN(), networks)
    method: Method = engine.method
    method.bind({}, Roles({"discriminator": File()}))
    measure = metric(method.masks, **options)
    reader = Reader(Masked(size=8, test=5), ImageSettings(size=8))
    found = [values_of(engine, reader, measure, batch=batch) for batch in (1, 2, 16)]
    assert set(found[0]) == {"background_l1_AB", "background_l1_BA"}
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-6)
    errors = []
    for index in range(4):
        sample = reader.dataset.sample("test", "A", index)
        real = torch.from_numpy(sample.image).permute(2, 0, 1)[None] / 127.5 - 1
        with torch.no_grad():
            step = Step({"real_A": real, "fake_B": networks["G_AB"](real)})
        errors += plainly(step, "AB", torch.from_numpy(sample.mask)[None, None] / 255)
    assert found[0]["background_l1_AB"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_without_given_masks_the_alternatives_are_reported() -> None:
    step = translated()
    del step["given_mask_B"]
    metric().rows(step, "AB")
    message = refusal(metric().rows, step, "BA")
    assert "background_l1: the data set has no masks of B" in message
    assert "input, discriminator or composite" in message
    made = BackgroundL1()
    assert "background_l1: the data set has no masks of A" in refusal(
        made.bind, CycleGAN(), Reader(Noise(), ImageSettings(size=8))
    )


@pytest.mark.parametrize("which", ["input", "discriminator", "composite"])
def test_a_role_without_a_masker_is_reported_before_the_run(which: Which) -> None:
    others = Roles({role: Round() for role in ROLES if role != which})
    message = refusal(metric, others, mask=which)
    assert f"background_l1: the recipe has no masker in the role {which!r}" in message
    assert "mask to given" in message


def test_without_its_sources_there_is_nothing_to_compare() -> None:
    step = translated()
    del step["real_A"]
    message = refusal(metric().rows, step, "AB")
    assert (
        message == "background_l1 compares translations with their sources, which are not known here: remove the metric"
    )


def test_what_cannot_be_saved_is_cut() -> None:
    step, saved_as = translated(), translated()
    step["fake_B"] *= 4
    saved_as["fake_B"] = step["fake_B"].clamp(-1, 1)
    found, expected = (metric().rows(one, "AB")["error"] for one in (step, saved_as))
    assert torch.equal(found, expected)


def test_domains_with_different_channels_are_refused() -> None:
    step = translated()
    step["fake_B"] = step["fake_B"][:, :1]
    message = refusal(metric().rows, step, "AB")
    assert "A has 3 channels and B has 1" in message


def test_an_unknown_mask_is_refused() -> None:
    assert "mask is 'labels'" in refusal(metric, mask="labels")
