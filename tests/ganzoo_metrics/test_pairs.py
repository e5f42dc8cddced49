"""Figures against the true pair: plain formulas, which directions there are, and data without pairs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from ganzoo.data.loader import Reader, evaluation_rows
from ganzoo.interfaces import Direction, Method, Sample, Split
from ganzoo.settings import ImageSettings
from ganzoo_baselines.pix2pix import Pix2Pix
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_segmenter.method import Segmenter
from tests.support.command_line import refusal
from tests.support.image_pairs import Pairs, bind_metric, compute_values, paired_step
from tests.support.stand_in_methods import Noise, engine_of, values_of

NAMES = ("pair_l1", "psnr", "ssim")


def plainly(fake: torch.Tensor, true: torch.Tensor) -> dict[str, float]:
    """Return the means over images, number by number."""
    errors, decibels = [], []
    for a, b in zip(fake.double().numpy(), true.double().numpy(), strict=True):
        difference = [float(x) - float(y) for x, y in zip(np.clip(a, -1, 1).ravel(), b.ravel(), strict=True)]
        errors.append(sum(map(abs, difference)) / len(difference))
        decibels.append(20 * math.log10(2) - 10 * math.log10(sum(one**2 for one in difference) / len(difference)))
    return {"pair_l1": float(np.mean(errors)), "psnr": float(np.mean(decibels))}


@pytest.mark.parametrize("direction", ["AB", "BA"])
@pytest.mark.parametrize("name", ["pair_l1", "psnr"])
def test_the_formula(name: str, direction: Direction) -> None:
    step, measure = paired_step(), bind_metric(name)
    step[f"fake_{direction[1]}"][0, 0, 0, :2] = torch.tensor([1.7, -3.0])  # what is past the range is not saved so
    expected = plainly(step[f"fake_{direction[1]}"], step[f"true_{direction[1]}"])[name]
    assert measure.rows(step, direction)[name].shape == (3,)
    assert compute_values(measure, step, direction) == {name: pytest.approx(expected, rel=1e-5)}


def test_psnr_does_not_ask_for_the_scale() -> None:
    """One grey level of 255 everywhere is 48.13 dB, whatever images are counted in."""
    step = paired_step()
    step["fake_B"] = step["true_B"] * 0.9 + 2 / 255
    step["true_B"] = step["true_B"] * 0.9
    assert bind_metric("psnr").rows(step, "AB")["psnr"].tolist() == pytest.approx([20 * math.log10(255)] * 3, rel=1e-4)


def test_a_image_that_is_its_pair() -> None:
    step = paired_step()
    step["fake_B"] = step["true_B"].clone()
    assert bind_metric("pair_l1").rows(step, "AB")["pair_l1"].eq(0).all()
    least = 20 * math.log10(255) + 10 * math.log10(12 * 12 * 3)  # one of 255 levels, in one value of the image
    assert bind_metric("psnr").rows(step, "AB")["psnr"].tolist() == pytest.approx([least] * 3)
    torch.testing.assert_close(bind_metric("ssim").rows(step, "AB")["ssim"], torch.ones(3))


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_measured_in_float32(name: str) -> None:
    step, measure = paired_step(), bind_metric(name)
    step["fake_B"] = step["fake_B"].bfloat16()
    found = measure.rows(step, "AB")[name]
    step["fake_B"] = step["fake_B"].float()
    assert found.dtype == torch.float32
    assert torch.equal(found, measure.rows(step, "AB")[name])


def test_an_evaluation_does_not_depend_on_its_batches() -> None:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    engine, reader = engine_of(CycleGAN(), networks), Reader(Pairs(size=16, test=5), ImageSettings(size=12))
    metrics = [bind_metric(name, reader=reader) for name in NAMES]
    found = [values_of(engine, reader, *metrics, batch=batch) for batch in (1, 2, 16)]
    assert set(found[0]) == {f"{name}_{way}" for name in NAMES for way in ("AB", "BA")}
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-6)
    planes = reader.evaluation_batch("test", evaluation_rows({"A": 5, "B": 5})).planes
    a, b = (torch.from_numpy(planes[f"real_{one}"]).permute(0, 3, 1, 2) / 127.5 - 1 for one in "AB")
    with torch.no_grad():
        expected = plainly(networks["G_AB"](a), b)
    assert {name: found[0][f"{name}_AB"] for name in expected} == pytest.approx(expected, rel=1e-5)


class OneSided(Noise):
    """Knows the pairs of A's images alone."""

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        found = super().sample(split, domain, index)
        return replace(found, target=found.image) if domain == "A" else found


class PairedTest(Pairs):
    """Knows pairs in the split that is measured alone."""

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        found = super().sample(split, domain, index)
        return found if split == "test" else replace(found, target=None)


@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_asked_of_the_measured_images(name: str) -> None:
    reader = Reader(PairedTest(test=2), ImageSettings(size=12))
    assert bind_metric(name, reader=reader).directions == ("AB", "BA")


@pytest.mark.parametrize("name", NAMES)
def test_only_what_can_be_compared_is(name: str) -> None:
    assert bind_metric(name, Pix2Pix()).directions == ("AB",)
    assert bind_metric(name).directions == ("AB", "BA")
    assert bind_metric(name, reader=Reader(OneSided(), ImageSettings(size=12))).directions == ("AB",)
    data = Pairs()
    data.classes, data.channels = {"A": 3}, {"A": 3, "B": 3}
    assert bind_metric(name, reader=Reader(data, ImageSettings(size=12))).directions == ("AB",)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("method", "classes", "message"),
    [
        (CycleGAN(), {}, "and the data set has none for A: remove the metric, or use paired data"),
        (CycleGAN(), {"A": 3, "B": 3}, "measures translated images, but the method makes none"),
        (Segmenter(), {}, "measures translated images, but the method makes none"),
    ],
)
def test_what_cannot_be_compared_is_reported(
    name: str, method: Method, classes: Mapping[str, int], message: str
) -> None:
    data = Noise()
    data.classes = classes
    found = refusal(bind_metric, name, method, reader=Reader(data, ImageSettings(size=12)))
    assert found.startswith(f"evaluate.metrics: {name} ")
    assert message in found


@pytest.mark.parametrize("name", NAMES)
def test_a_split_without_pairs_is_reported(name: str) -> None:
    step = paired_step()
    del step["true_B"]
    assert "has none for the measured images of A" in refusal(bind_metric(name).rows, step, "AB")
    assert bind_metric(name).rows(step, "BA")
