from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_cyclegan.layers import Norm, Upsample
from ganzoo_cyclegan.unet import UNet


@pytest.mark.parametrize(
    ("channels", "options", "parameters"),
    [
        (3, {"norm": "batch"}, 54_413_955),
        (3, {}, 54_409_603),
        (3, {"levels": 7, "norm": "batch"}, 41_828_995),
        (3, {"levels": 7}, 41_825_667),
        (19, {"norm": "batch"}, 54_430_339),
    ],
)
def test_parameter_counts(channels: int, options: dict[str, Any], parameters: int) -> None:
    with torch.device("meta"):
        network = UNet(channels, 3, **options)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_numbers_of_the_authors_checkpoints() -> None:
    with torch.device("meta"):
        names = set(UNet(3, 3, levels=3, norm="batch", width=2).state_dict())
    inner = "model.model.1.model"
    weights = {f"model.model.{number}.weight" for number in (0, 3)}
    weights |= {f"{inner}.{number}.weight" for number in (1, 2, 5, 6)}
    weights |= {f"{inner}.3.model.{number}.weight" for number in (1, 3, 4)}
    assert {name for name in names if name.endswith("weight")} == weights
    convs = {name for name in names if name.endswith("bias") and name[:-4] + "running_mean" not in names}
    assert convs == {"model.model.3.bias"}


def transcription(images: Tensor, weights: dict[str, Tensor]) -> Tensor:
    """Three levels in plain calls: down, down, innermost, and up again beside the maps of the way down."""

    def norm(maps: Tensor) -> Tensor:
        mean = maps.mean((2, 3), keepdim=True)
        return (maps - mean) / ((maps - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()

    def down(maps: Tensor, name: str) -> Tensor:
        return F.conv2d(maps, weights[f"{name}.weight"], weights[f"{name}.bias"], stride=2, padding=1)

    def up(maps: Tensor, name: str) -> Tensor:
        weight, bias = weights[f"{name}.weight"], weights[f"{name}.bias"]
        return F.conv_transpose2d(F.relu(maps), weight, bias, stride=2, padding=1)

    first = down(images, "model.model.0")
    second = norm(down(F.leaky_relu(first, 0.2), "model.model.1.model.1"))
    third = down(F.leaky_relu(second, 0.2), "model.model.1.model.3.model.1")
    back = norm(up(third, "model.model.1.model.3.model.3"))
    back = norm(up(torch.cat([second, back], 1), "model.model.1.model.5"))
    return torch.tanh(up(torch.cat([first, back], 1), "model.model.3"))


def test_forward_is_the_layer_list() -> None:
    torch.manual_seed(0)
    network = UNet(3, 2, levels=3, width=3).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    images = torch.randn(2, 3, 8, 16, dtype=torch.float64)
    result = network(images)
    assert result.std() > 0.1
    torch.testing.assert_close(result, transcription(images, dict(network.state_dict())), rtol=1e-9, atol=1e-9)


def test_the_innermost_map_reaches_the_result() -> None:
    """At 1×1 instance norm would make it zero, whatever the image."""
    network = UNet(3, 3, levels=3, width=4)
    maps: list[Tensor] = []
    innermost = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][-1]
    innermost.register_forward_hook(lambda module, inputs, output: maps.append(output))
    network(torch.randn(1, 3, 8, 8))
    assert maps[0].shape[-2:] == (1, 1)
    assert maps[0].abs().max() > 0


@pytest.mark.parametrize("upsample", ["deconv", "resize", "pixelshuffle"])
@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
@pytest.mark.parametrize("size", [(1, 1), (5, 11), (8, 9), (16, 8)])
def test_any_size(size: tuple[int, int], padding: Any, upsample: Upsample) -> None:
    result = UNet(3, 2, levels=3, width=2, padding=padding, upsample=upsample)(torch.randn(2, 3, *size))
    assert result.shape == (2, 2, *size)
    assert result.isfinite().all()
    assert result.abs().max() <= 1


@pytest.mark.parametrize("upsample", ["deconv", "resize", "pixelshuffle"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("levels", [2, 3])
def test_options_run_and_train(upsample: Upsample, norm: Norm, levels: int) -> None:
    network = UNet(2, 3, levels=levels, width=2, norm=norm, upsample=upsample)
    result = network(torch.randn(2, 2, 8, 16))
    assert result.shape == (2, 3, 8, 16)
    result.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_three_levels_of_eight_drop() -> None:
    with torch.device("meta"):
        drops = [
            sum(isinstance(layer, nn.Dropout) for layer in UNet(3, 3, levels=levels, dropout=True).modules())
            for levels in (5, 6, 7, 8)
        ]
    assert drops == [0, 1, 2, 3]


def test_dropout_in_training_only() -> None:
    images = torch.randn(1, 3, 64, 64)
    network = UNet(3, 3, levels=6, width=2, dropout=True)
    assert not network(images).equal(network(images))
    network.eval()
    assert network(images).equal(network(images))


@pytest.mark.parametrize(("padding", "mode"), [("zero", "zeros"), ("reflect", "reflect"), ("replicate", "replicate")])
def test_the_padding_is_that_of_every_convolution_down_and_costs_no_parameters(padding: Any, mode: str) -> None:
    network = UNet(3, 3, levels=3, width=2, padding=padding)
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert {part.padding_mode for part in convolutions} == {mode}
    assert len(convolutions) == 3
    assert network(torch.rand(1, 3, 8, 8)).shape == (1, 3, 8, 8)
    plain = UNet(3, 3, levels=3, width=2)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in plain.parameters())
