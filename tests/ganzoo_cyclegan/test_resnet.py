import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo_cyclegan.layers import Norm, Padding, Upsample
from ganzoo_cyclegan.resnet import ResNet


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


@pytest.mark.parametrize(("blocks", "parameters"), [(9, 11_378_179), (6, 7_837_699)])
def test_parameter_counts(blocks: int, parameters: int) -> None:
    with torch.device("meta"):
        assert count(ResNet(3, 3, blocks=blocks)) == parameters


def test_default_is_the_papers() -> None:
    with torch.device("meta"):
        assert count(ResNet(3, 3)) == 11_378_179


def test_only_the_last_convolution_has_a_bias_with_batch_norm() -> None:
    with torch.device("meta"):
        network = ResNet(3, 2, width=2, blocks=2, norm="batch")
    convs = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)]
    assert [conv.bias is not None for conv in convs] == [False] * 9 + [True]


def test_numbers_of_the_authors_checkpoints() -> None:
    with torch.device("meta"):
        plain, dropped = (set(ResNet(3, 3, blocks=9, dropout=drop).state_dict()) for drop in (False, True))
    outer = {f"model.{number}.weight" for number in (1, 4, 7, 19, 22, 26)}
    assert {name for name in plain if "block" not in name and "weight" in name} == outer
    assert {name.split("block.")[1] for name in plain if "block" in name} == {
        "1.weight",
        "1.bias",
        "5.weight",
        "5.bias",
    }
    assert "model.10.conv_block.6.weight" in dropped


def transcription(images: Tensor, parameters: list[Tensor], blocks: int) -> Tensor:
    """The layer list of the paper's appendix, in plain calls."""
    rest = iter(parameters)

    def norm(maps: Tensor) -> Tensor:
        mean = maps.mean((2, 3), keepdim=True)
        return (maps - mean) / ((maps - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()

    def reflect(maps: Tensor, size: int) -> Tensor:
        return F.pad(maps, (size,) * 4, mode="reflect")

    maps = F.relu(norm(F.conv2d(reflect(images, 3), next(rest), next(rest))))
    for _ in range(2):
        maps = F.relu(norm(F.conv2d(maps, next(rest), next(rest), stride=2, padding=1)))
    for _ in range(blocks):
        inner = F.relu(norm(F.conv2d(reflect(maps, 1), next(rest), next(rest))))
        maps = maps + norm(F.conv2d(reflect(inner, 1), next(rest), next(rest)))
    for _ in range(2):
        up = F.conv_transpose2d(maps, next(rest), next(rest), stride=2, padding=1, output_padding=1)
        maps = F.relu(norm(up))
    return torch.tanh(F.conv2d(reflect(maps, 3), next(rest), next(rest)))


def test_forward_is_the_layer_list() -> None:
    torch.manual_seed(0)
    network = ResNet(3, 2, width=3, blocks=2).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(0, 0.3)
    images = torch.randn(2, 3, 12, 16, dtype=torch.float64)
    result = network(images)
    assert result.std() > 0.1
    torch.testing.assert_close(result, transcription(images, list(network.parameters()), 2), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (7, 9), (13, 18), (16, 8)])
def test_any_size(size: tuple[int, int]) -> None:
    result = ResNet(3, 2, width=2, blocks=1)(torch.randn(2, 3, *size))
    assert result.shape == (2, 2, *size)
    assert result.isfinite().all()
    assert result.abs().max() <= 1


def test_an_image_of_four_pixels_works() -> None:
    network = ResNet(1, 1, width=2, blocks=1)
    first, second = (network(torch.randn(1, 1, 4, 4)) for _ in range(2))
    assert not first.equal(second)


@pytest.mark.parametrize("upsample", ["deconv", "resize", "pixelshuffle"])
@pytest.mark.parametrize("norm", ["instance", "batch", "none"])
@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
def test_options_run_and_train(upsample: Upsample, norm: Norm, padding: Padding) -> None:
    network = ResNet(2, 3, width=2, blocks=1, norm=norm, padding=padding, upsample=upsample)
    result = network(torch.randn(2, 2, 8, 12))
    assert result.shape == (2, 3, 8, 12)
    result.square().sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_paddings_differ() -> None:
    images, results = torch.randn(1, 3, 8, 8), []
    for padding in ("reflect", "replicate", "zero"):
        torch.manual_seed(0)
        results.append(ResNet(3, 3, width=2, blocks=1, padding=padding)(images))
    assert not results[0].equal(results[1])
    assert not results[1].equal(results[2])


def test_dropout_in_training_only() -> None:
    images = torch.randn(1, 3, 16, 16)
    network = ResNet(3, 3, width=4, blocks=1, dropout=True)
    assert not network(images).equal(network(images))
    network.eval()
    assert network(images).equal(network(images))
    plain = ResNet(3, 3, width=4, blocks=1)
    assert plain(images).equal(plain(images))


def test_channels_last_gives_the_same() -> None:
    torch.manual_seed(0)
    network = ResNet(3, 3, width=4, blocks=2)
    images = torch.randn(2, 3, 12, 12)
    plain = network(images)
    last = network.to(memory_format=torch.channels_last)(images.contiguous(memory_format=torch.channels_last))
    assert last.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(last, plain, rtol=1e-4, atol=1e-5)
