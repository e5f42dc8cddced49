"""The style loss against its formula."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from ganzoo.testing import make_images
from ganzoo_losses.gram import Gram
from tests.support.command_line import refusal
from tests.support.vgg_networks import random_vgg, reference_vgg, write_vgg

PLAINLY: dict[str, Any] = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vgg(tmp_path_factory.mktemp("vgg") / "vgg19.safetensors", 19)


@pytest.mark.parametrize("average", [False, True])
def test_it_is_the_formula(file: Path, average: bool) -> None:
    """Gatys et al. 2016, eq. 3 to 5, of undivided Gram matrices, as a mean over images of different sizes."""
    layers = {"relu1_1": 0.5, "relu3_1": 2.0}
    image, target = make_images(2, 3, (16, 32)).double(), make_images(2, 3, (48, 16), 1).double()
    maps, others = (reference_vgg(random_vgg(19), one, average=average, **PLAINLY) for one in (image, target))
    expected = 0.0
    for layer, weight in layers.items():
        for one, other in zip(maps[layer], others[layer], strict=True):
            grams = [torch.einsum("ihw,jhw->ij", map_, map_) / map_[0].numel() for map_ in (one, other)]
            expected += weight * float((grams[0] - grams[1]).square().sum()) / (4 * len(one) ** 2) / 2
    loss = Gram(weights=file, layers=layers, pool="avg" if average else "max").double()
    assert float(loss(image, target)) == pytest.approx(expected, rel=1e-5)


def test_positions_do_not_count(file: Path) -> None:
    loss, image = Gram(weights=file, layers={"relu1_1": 1.0}), torch.zeros(1, 1, 16, 16)
    image[..., 4:8, 4:8] = 1
    moved = image.roll(5, -1)
    assert float(loss(image, moved)) < 1e-6 < float(loss(image, -image))


def test_what_it_refuses(file: Path) -> None:
    assert refusal(Gram(weights=file), torch.zeros(1, 2, 16, 16), torch.zeros(1, 3, 16, 16)) == (
        "gram: VGG accepts images of 1 or 3 channels; these have 2"
    )
    assert "too small for VGG's relu1_1" in refusal(
        Gram(weights=file), torch.zeros(1, 3, 16, 8), torch.zeros(1, 3, 16, 8)
    )
    assert refusal(Gram, weights=file, layers={"relu6_1": 1.0}).startswith("VGG-19 has no layer 'relu6_1'")
