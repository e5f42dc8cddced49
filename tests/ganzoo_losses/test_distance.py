"""Distances within and between images, and their statistics over the training images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.build import Experiment
from ganzoo.interfaces import Row, keyed
from ganzoo.recipe.reader import read_recipe
from ganzoo.testing import make_images
from ganzoo.testing.tiny_run import write_recipe
from tests.support.bound_losses import bound_loss

ENTRY: dict[str, Any] = {"loss": "distance", "of": {"image": "real_A", "translation": "fake_B"}}


def apart(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).abs().mean())


def training_images(folder: Path, domain: str) -> list[Tensor]:
    reader = Experiment(read_recipe(write_recipe(folder))).reader
    rows = [Row(i, i, {domain: i}) for i in range(reader.dataset.count("train", domain))]
    planes = reader.evaluation_batch("train", rows).planes[f"real_{domain}"]
    return [torch.from_numpy(plane).permute(2, 0, 1).double() / 127.5 - 1 for plane in planes]


def normalized(value: float, sample: list[float]) -> float:
    mean = sum(sample) / len(sample)
    return (value - mean) / (sum((one - mean) ** 2 for one in sample) / len(sample)) ** 0.5


def test_halves_are_compared_in_units_of_their_domain(tmp_path: Path) -> None:
    loss, _ = bound_loss(tmp_path, ENTRY)
    image, translation = make_images(2, 3, (6, 9)), make_images(2, 3, (6, 9), 1) / 2
    expected = 0.0
    for one, other in zip(image, translation, strict=True):
        terms = []
        for shown, domain in ((one, "A"), (other, "B")):
            known = [apart(each[..., :8], each[..., 8:]) for each in training_images(tmp_path, domain)]
            terms.append(normalized(apart(shown[..., :4], shown[..., 5:]), known))
        expected += abs(terms[0] - terms[1]) / 2
    assert float(loss(image, translation)) == pytest.approx(expected, rel=1e-5)


def test_samples_are_compared_two_by_two(tmp_path: Path) -> None:
    loss, _ = bound_loss(tmp_path, {**ENTRY, "between": "samples"})
    image, translation = make_images(4), make_images(4, seed=1) / 2
    expected = 0.0
    for first in (0, 2):
        terms = []
        for images, domain in ((image, "A"), (translation, "B")):
            stored = training_images(tmp_path, domain)
            order = keyed("distance", domain).permutation(len(stored))
            known = [apart(stored[one], stored[other]) for one, other in order.reshape(-1, 2)]
            terms.append(normalized(apart(images[first], images[first + 1]), known))
        expected += abs(terms[0] - terms[1]) / 2
    assert float(loss(image, translation)) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(GanzooError, match=r"a process has 3 images a step: make train\.batch even"):
        loss(image[:3], translation[:3])


@pytest.mark.parametrize("count", [3, 5])
def test_fewer_images_are_spaced_evenly(tmp_path: Path, count: int) -> None:
    loss, _ = bound_loss(tmp_path, {**ENTRY, "images": count})
    image, translation = make_images(1), make_images(1, seed=1) / 2
    terms = []
    for shown, domain in ((image, "A"), (translation, "B")):
        stored = training_images(tmp_path, domain)
        assert len(stored) > count
        few = [stored[number * len(stored) // count] for number in range(count)]
        half = shown.shape[-1] // 2
        known = [apart(each[..., :8], each[..., 8:]) for each in few]
        terms.append(normalized(apart(shown[..., :half], shown[..., -half:]), known))
    assert float(loss(image, translation)) == pytest.approx(abs(terms[0] - terms[1]), rel=1e-5)


@pytest.mark.parametrize(
    ("changes", "sections", "message"),
    [
        ({"of": {"image": "real_B", "translation": "fake_B"}}, {}, "fake_B is a translation of real_A, not of real_B"),
        ({"of": {"image": "real_A", "translation": "real_B"}}, {}, "'real_B' is none"),
        (
            {"between": "samples"},
            {"images": {"fit": "none", "load": 0}, "train": {"batch": 1}},
            "images of different sizes have no distan",
        ),
    ],
)
def test_what_it_refuses(tmp_path: Path, changes: Any, sections: Any, message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        bound_loss(tmp_path, {**ENTRY, **changes}, **sections)
    assert message in str(caught.value)
