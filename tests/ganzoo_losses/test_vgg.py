"""VGG's layers, against a plain transcription; its files of weights, and those that are none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from ganzoo_losses.vgg import VGG, Depth, Input, read_vgg, weights_sources
from tests.support.command_line import refusal
from tests.support.published_weights import Published
from tests.support.vgg_networks import NAMES, NUMBERS, random_vgg, reference_vgg, write_vgg

PLAINLY: dict[Input, dict[str, Any]] = {
    "caffe": {"mean": (103.939, 116.779, 123.680), "scale": 1.0, "blue_first": True},
    "torchvision": {
        "mean": (0.485 * 255, 0.456 * 255, 0.406 * 255),
        "scale": (0.229 * 255, 0.224 * 255, 0.225 * 255),
    },
}


def random_images(size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(5)) * 2 - 1


@pytest.mark.parametrize("depth", [16, 19])
@pytest.mark.parametrize("input", ["caffe", "torchvision"])
@pytest.mark.parametrize("average", [True, False])
def test_every_layer_is_the_transcription(depth: Depth, input: Input, average: bool) -> None:
    weights = random_vgg(depth)
    expected = reference_vgg(weights, random_images(), average=average, **PLAINLY[input])
    network = VGG(depth, weights, input=input, pool="avg" if average else "max").double()
    found = network(random_images(), expected)
    assert found.keys() == expected.keys()
    for layer, maps in expected.items():
        torch.testing.assert_close(found[layer], maps, rtol=1e-6, atol=1e-6 * float(maps.abs().max()))
        assert network.width(layer) == maps.shape[1]
    assert found["conv5_1"].shape[-2:] == (2, 2)


@pytest.mark.parametrize(("depth", "count"), [(16, 14_714_688), (19, 20_024_384)])
def test_it_takes_what_torchvision_has(depth: Depth, count: int) -> None:
    """Of the size that the paper gives, and the same layers as torchvision's own, on an image in its range."""
    from torchvision.models import get_model  # type: ignore[import-untyped]

    with torch.device("meta"):
        layers = get_model(f"vgg{depth}", weights=None).features
    layers = layers.to_empty(device="cpu")
    drawn = torch.Generator().manual_seed(0)
    for one in layers.parameters():
        one.data.normal_(0, 0.05, generator=drawn)
    network = VGG(depth, {f"features.{name}": one for name, one in layers.state_dict().items()})
    assert sum(one.numel() for one in network.parameters()) == count
    image = random_images()
    last = f"relu{NAMES[depth][-1]}"
    normalized = ((image + 1) / 2 - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / network.std
    with torch.no_grad():
        expected = layers[: NUMBERS[depth][-1] + 2](normalized)
    torch.testing.assert_close(network(image, [last])[last], expected, rtol=1e-4, atol=1e-6)


def test_layers_may_be_named_as_the_authors_files_do(tmp_path: Path) -> None:
    weights = random_vgg(16)
    by_layer = {
        f"conv{name}.{part}": weights[f"features.{number}.{part}"]
        for number, name in zip(NUMBERS[16], NAMES[16], strict=True)
        for part in ("weight", "bias")
    }
    torch.save({**by_layer, "fc6.bias": torch.zeros(1)}, tmp_path / "vgg16.weight")
    one = read_vgg(16, tmp_path / "vgg16.weight", "caffe")
    other = read_vgg(16, write_vgg(tmp_path / "vgg.safetensors", 16), "caffe")
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_a_grey_image_is_seen_as_one_of_three_channels(tmp_path: Path) -> None:
    network = read_vgg(19, write_vgg(tmp_path / "vgg.safetensors", 19), "caffe")
    grey = random_images()[:, :1]
    seen, same = (network(one, ["conv3_1"])["conv3_1"] for one in (grey, grey.expand(-1, 3, -1, -1)))
    assert torch.equal(seen, same)


def test_it_is_frozen_and_stops_at_the_last_layer(tmp_path: Path) -> None:
    network = read_vgg(16, write_vgg(tmp_path / "vgg.safetensors", 16), "torchvision")
    assert not network.training and not any(one.requires_grad for one in network.parameters())
    image = random_images(1).requires_grad_()  # an image of which deeper layers would have nothing
    maps = network(image, ["conv1_2", "relu1_1"])
    assert list(maps) == ["relu1_1", "conv1_2"]
    maps["conv1_2"].sum().backward()
    assert image.grad is not None and image.grad.abs().max() > 0


def test_what_it_does_not_see(tmp_path: Path) -> None:
    network = read_vgg(16, write_vgg(tmp_path / "vgg.safetensors", 16), "caffe", unpooled=(5,))
    network(torch.zeros(1, 3, 9, 8), ["relu5_3"])
    message = refusal(network, torch.zeros(1, 3, 9, 7), ["relu5_3"])
    assert message == "images of 7×9 pixels are too small for VGG's relu5_3: use larger ones"
    message = refusal(network, torch.zeros(1, 19, 32, 32), ["relu1_1"])
    assert message == "VGG accepts images of 1 or 3 channels; these have 19"


def without_one(weights: dict[str, Tensor]) -> None:
    del weights["features.28.bias"]


def with_one_more(weights: dict[str, Tensor]) -> None:
    weights["features.1.running_mean"] = torch.zeros(4)


def of_five(weights: dict[str, Tensor]) -> None:
    weights["features.2.weight"] = torch.zeros(4, 4, 5, 5)


def of_other_bias(weights: dict[str, Tensor]) -> None:
    weights["features.0.bias"] = torch.zeros(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_one, "conv5_3.bias is not in it"),
        (with_one_more, "features.1.running_mean is in it"),
        (of_five, "conv1_2 is of (4, 4, 5, 5) and (4,), after 4 maps"),
        (of_other_bias, "conv1_1 is of (4, 3, 3, 3) and (3,), after 3 maps"),
    ],
)
def test_weights_of_another_network(tmp_path: Path, change: Callable[[dict[str, Tensor]], None], message: str) -> None:
    weights, file = random_vgg(16), tmp_path / "vgg.safetensors"
    change(weights)
    save_file(weights, file)
    assert refusal(read_vgg, 16, file, "caffe") == f"{file}: weights of another architecture than VGG-16: {message}"


def test_the_other_depth_is_another_network(tmp_path: Path) -> None:
    file = write_vgg(tmp_path / "vgg.safetensors", 19)
    assert "than VGG-16: conv4_1.weight is not in it" in refusal(read_vgg, 16, file, "caffe")


def test_weights_that_cannot_be_had(tmp_path: Path, published: Published) -> None:
    assert (
        refusal(read_vgg, 16, tmp_path / "no.pth", "caffe")
        == f"{tmp_path / 'no.pth'}: no such weights file; check the path"
    )
    assert refusal(read_vgg, 16, None, "caffe").startswith("input: caffe needs a file of Caffe weights, weights: FILE")
    message = refusal(read_vgg, 19, None, "torchvision")
    assert message.startswith(
        "torchvision/vgg19 cannot be fetched: no connection (no route); bring it yourself: https://"
    )
    assert message.endswith("; or name any file of such weights, weights: FILE")
    assert published.untouched()


def test_the_published_weights_are_used(tmp_path: Path, published: Published) -> None:
    torch.save(random_vgg(16), tmp_path / "vgg.pth")
    published.put(tmp_path / "vgg.pth", "torchvision/vgg16")
    network = read_vgg(16, None, "torchvision")
    assert torch.equal(network.state_dict()["convs.5_3.bias"], random_vgg(16)["features.28.bias"])
    assert published.untouched() and published.asked == []


def test_a_file_counts_by_what_it_holds(tmp_path: Path) -> None:
    first, second = (write_vgg(tmp_path / name, 16) for name in ("a.safetensors", "b.safetensors"))
    other = write_vgg(tmp_path / "c.safetensors", 16, seed=1)
    keys = [weights_sources(file)["weights"].key for file in (first, second, other)]
    assert keys[0] == keys[1] != keys[2]
    assert weights_sources(first)["weights"].path == first and weights_sources(None) == {}
