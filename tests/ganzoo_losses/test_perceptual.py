"""The perceptual loss against its formula, and attached to methods by recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import ganzoo
from ganzoo import GanzooError
from ganzoo.utils.jsonl import JsonLines
from ganzoo_losses.perceptual import Perceptual
from tests.support.command_line import refusal
from tests.support.stand_in_methods import batch_step
from tests.support.tiny_run import RECIPE, write_recipe
from tests.support.vgg_networks import random_vgg, reference_vgg, write_vgg

CAFFE: dict[str, Any] = {"mean": (103.939, 116.779, 123.680), "scale": 1.0, "blue_first": True}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_vgg(tmp_path_factory.mktemp("vgg") / "vgg16.safetensors", 16)


def random_images() -> tuple[Tensor, Tensor]:
    step = batch_step(2, 48, seed=3)
    return step["real_A"].double(), step["real_B"].double()


def normalized(maps: Tensor) -> Tensor:
    """Bring each map of each image to mean 0 and deviation 1, one by one."""
    planes = [
        (plane - plane.mean()) / ((plane - plane.mean()).square().mean() + 1e-5).sqrt() for plane in maps.flatten(0, 1)
    ]
    return torch.stack(planes).view_as(maps)


def plainly(image: Tensor, target: Tensor, layer: str = "relu5_3", **how: Any) -> Tensor:
    """METHODS 5: the mean square of what instance-normalized features differ by, in float64."""
    one, other = (normalized(reference_vgg(random_vgg(16), x, **how)[layer]) for x in (image, target))
    return (one - other).square().mean()


TORCHVISION: dict[str, Any] = {"mean": (123.675, 116.28, 103.53), "scale": (58.395, 57.12, 57.375)}
CASES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"input": "caffe"}, {**CAFFE, "unpooled": ["5_1"]}),
    ({"input": "caffe", "last_pool": True}, CAFFE),
    ({"input": "caffe", "layer": "conv4_2"}, {**CAFFE, "layer": "conv4_2"}),
    ({}, {**TORCHVISION, "unpooled": ["5_1"]}),
    ({"input": "torchvision", "last_pool": True, "layer": "conv5_3"}, {**TORCHVISION, "layer": "conv5_3"}),
]


@pytest.mark.parametrize(("options", "how"), CASES)
def test_loss_and_gradient_are_the_formula(file: Path, options: dict[str, Any], how: dict[str, Any]) -> None:
    loss = ganzoo.create("loss", "perceptual", weights=file, **options).double()
    image, target = random_images()
    mine, theirs = image.clone().requires_grad_(), image.clone().requires_grad_()
    found, expected = loss(mine, target), plainly(theirs, target, **how)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=0)  # the means and deviations are float32
    gradients = [torch.autograd.grad(one, at)[0] for one, at in ((found, mine), (expected, theirs))]
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-5, atol=1e-5 * float(gradients[1].abs().max()))
    assert float(found.detach()) > 0.01 and gradients[0].abs().max() > 1e-6


def test_it_runs_in_float32(file: Path) -> None:
    """Half precision and float64 come in; what the network's own precision gives comes out."""
    image, target = random_images()
    loss = Perceptual(weights=file, input="caffe")
    found = loss(image, target)
    assert found.dtype == torch.float32
    expected = plainly(image, target, **CAFFE, unpooled=["5_1"])
    torch.testing.assert_close(found.double(), expected, rtol=1e-3, atol=0)
    assert loss(image, image) == 0
    assert not any(one.requires_grad for one in loss.parameters())


def test_what_cannot_be_compared(file: Path) -> None:
    loss = Perceptual(weights=file)
    small, maps = torch.zeros(1, 3, 15, 12), torch.zeros(1, 19, 32, 32)
    assert refusal(loss, small, small) == ("perceptual: relu5_3 has a single value for 12×15 pixels: use larger images")
    assert refusal(loss, maps, maps) == "perceptual: VGG accepts images of 1 or 3 channels; these have 19"
    assert refusal(Perceptual, weights=file, layer="relu5_4") == (
        "VGG-16 has no layer 'relu5_4' (did you mean 'relu5_3'?)"
    )


def recipe(folder: Path, file: Path, **options: Any) -> Path:
    """Write the tiny recipe with the loss on one translation."""
    vgg = {"loss": "perceptual", "of": {"image": "fake_B", "target": "real_A"}, "weights": str(file), **options}
    train = {**RECIPE["train"], "steps": 2}
    return write_recipe(folder, losses={"vgg": vgg}, images={"size": 16, "load": 16}, train=train)


def test_it_trains_with_any_method(file: Path, tmp_path: Path) -> None:
    """The term is logged, the generator that it reads learns something else, and the one that it does not, does not."""
    folders = []
    for name, weight in (("with", 1.0), ("without", 0.0)):
        ganzoo.run(recipe(tmp_path, file, weight=weight), name=name, root=tmp_path)
        folders.append(tmp_path / "tiny" / name)
    (logged,) = [line["losses"] for line in JsonLines(folders[0] / "metrics.jsonl") if "losses" in line]
    assert logged["generator/vgg"] > 0.01
    first, second = (load_file(one / "checkpoints/last/networks/G_AB.safetensors") for one in folders)
    assert any(not torch.equal(first[name], second[name]) for name in first)
    names = {path.name for path in (folders[0] / "checkpoints/last/networks").iterdir()}
    assert names == {f"{name}.safetensors" for name in ("G_AB", "G_BA", "D_A", "D_B")}


def test_a_run_goes_on_with_the_same_weights_alone(file: Path, tmp_path: Path) -> None:
    mine = tmp_path / "vgg.safetensors"
    mine.write_bytes(file.read_bytes())
    ganzoo.run(recipe(tmp_path, mine), root=tmp_path)
    ganzoo.run(recipe(tmp_path, mine), "train.steps=3", root=tmp_path)
    write_vgg(mine, 16, seed=1)
    with pytest.raises(GanzooError, match=r"sources\.losses\.vgg\.weights: \w{16} → \w{16}"):
        ganzoo.run(recipe(tmp_path, mine), "train.steps=4", root=tmp_path)
