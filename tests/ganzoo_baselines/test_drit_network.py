"""DRIT's networks: the authors' sizes, and their numbers, against plain functional code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_baselines.drit_network import AttributeEncoder, AttributeEncoders, ContentDiscriminator, DRITGenerator
from tests.support.command_line import refusal

State = Mapping[str, Tensor]


def count(*networks: nn.Module) -> int:
    return sum(one.numel() for network in networks for one in network.parameters())


def test_the_sizes_of_the_authors_networks() -> None:
    made = DRITGenerator(3, 3)
    assert count(made.encoders, made.encoded) == 9_018_112
    assert count(made.decoders, made.decoded) == 9_564_710
    assert count(made) == 9_018_112 + 9_564_710  # the blocks that both domains share count once
    assert count(AttributeEncoders(3, 3, 64, 8)) == 2_688_160
    assert count(ContentDiscriminator(256, 3)) == 10_683_649


@pytest.mark.parametrize(
    "made",
    [
        lambda: DRITGenerator(3, 3, width=16),
        lambda: AttributeEncoders(3, 3, 16, 8),
        lambda: ContentDiscriminator(64, 1),
    ],
)
def test_the_first_weights(made: Callable[[], nn.Module]) -> None:
    """As released: weights of convolutions from N(0, 0.02), biases uniform within ±1/√n, as torch draws them."""
    torch.manual_seed(0)
    for layer in made().modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.numel() > 10_000:
            assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.05)
            assert layer.bias is not None
            bound = layer.weight[0].numel() ** -0.5
            assert 0.5 * bound < float(layer.bias.detach().abs().max()) <= bound
        elif isinstance(layer, nn.GroupNorm):
            assert layer.weight.eq(1).all() and not layer.bias.any()


class Plain:
    """Layers by the names of their weights."""

    def __init__(self, network: nn.Module) -> None:
        self.state: State = network.state_dict()

    def conv(self, maps: Tensor, name: str, stride: int = 1, pad: int | None = None) -> Tensor:
        weight = self.state[f"{name}.weight"]
        side = (weight.shape[-1] - 1) // 2 if pad is None else pad
        padded = F.pad(maps, [side] * 4, mode="reflect") if side else maps
        return F.conv2d(padded, weight, self.state[f"{name}.bias"], stride)

    def block(self, maps: Tensor, name: str) -> Tensor:
        hidden = F.relu(F.instance_norm(self.conv(maps, f"{name}.first.1")))
        return maps + F.instance_norm(self.conv(hidden, f"{name}.second.1"))


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, 24, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def filled(network: nn.Module) -> nn.Module:
    """Return a network in float64 of which every weight and bias makes a difference."""
    drawn = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data.copy_(0.3 * torch.randn(parameter.shape, generator=drawn))
    return network.double()


@pytest.mark.parametrize(("domain", "channels"), [("A", 3), ("B", 5)])
def test_contents_and_images(image: Tensor, domain: str, channels: int) -> None:
    made = DRITGenerator(3, 5, width=4, blocks=2, attributes=3)
    filled(made)
    plain = Plain(made)
    images = torch.cat([image, image[:, :2]], 1)[:, :channels]
    maps = F.leaky_relu(plain.conv(images, f"encoders.{domain}.0.1"), 0.01)
    for layer in (1, 2):
        maps = F.relu(F.instance_norm(plain.conv(maps, f"encoders.{domain}.{layer}.1", stride=2)))
    for name in (f"encoders.{domain}.3", f"encoders.{domain}.4", "encoded"):
        maps = plain.block(maps, name)
    contents = made.encode(images, domain)
    torch.testing.assert_close(contents, maps)
    assert contents.shape == (2, 16, 6, 8)

    attributes = torch.randn(2, 3, dtype=torch.float64)

    def with_planes(maps: Tensor) -> Tensor:
        return torch.cat([maps, attributes[:, :, None, None].expand(2, 3, *maps.shape[2:])], 1)

    maps = with_planes(plain.block(contents, "decoded"))
    for block in range(2):
        maps = plain.block(maps, f"decoders.{domain}.0.{block}")
    for layer, leaving in ((1, 11), (2, 7)):  # (16 + 3 + 3) // 2, (11 + 3) // 2
        name = f"decoders.{domain}.{layer}"
        weight, bias = plain.state[f"{name}.0.weight"], plain.state[f"{name}.0.bias"]
        maps = F.conv_transpose2d(with_planes(maps), weight, bias, stride=2, padding=1, output_padding=1)
        gain, shift = (
            plain.state[f"{name}.1.{key}"][:, None, None].expand(maps.shape[1:]) for key in ("weight", "bias")
        )
        maps = F.relu(F.layer_norm(maps, maps.shape[1:], gain, shift))
        assert maps.shape[1] == leaving
    maps = torch.tanh(plain.conv(with_planes(maps), f"decoders.{domain}.3.0"))
    torch.testing.assert_close(made.decode(contents, attributes, domain), maps)
    assert maps.shape == images.shape


def test_attributes(image: Tensor) -> None:
    made = AttributeEncoder(3, 4, 5)
    filled(made)
    plain = Plain(made)
    maps = plain.conv(image, "look.0.1", stride=2, pad=1)
    for block in (1, 2, 3):
        name = f"look.{block}"
        hidden = plain.conv(F.leaky_relu(maps, 0.2), f"{name}.convs.1.1")
        hidden = plain.conv(F.leaky_relu(hidden, 0.2), f"{name}.convs.2.1")
        maps = F.avg_pool2d(hidden, 2) + plain.conv(F.avg_pool2d(maps, 2), f"{name}.short")
    look = F.leaky_relu(maps, 0.2).mean((2, 3))
    for found, name in zip(made(image), ("mean", "log_variance"), strict=True):
        torch.testing.assert_close(found, F.linear(look, plain.state[f"{name}.weight"], plain.state[f"{name}.bias"]))
        assert found.shape == (2, 5)


def test_the_discriminator_of_contents() -> None:
    made = ContentDiscriminator(4, 2)
    filled(made)
    contents = torch.randn(2, 4, 31, 26, dtype=torch.float64)
    plain, maps = Plain(made), contents
    for layer in (1, 4):
        maps = F.leaky_relu(plain.conv(maps, f"layers.{layer}", stride=2, pad=1), 0.01)
    maps = plain.conv(F.leaky_relu(plain.conv(maps, "layers.6", pad=0), 0.01), "layers.8")
    torch.testing.assert_close(made(contents), maps)
    assert maps.shape == (2, 1, 2, 1)


@pytest.mark.parametrize(("layers", "least"), [(0, 4), (1, 11), (2, 25), (3, 53)])
def test_contents_that_are_too_small_are_refused(layers: int, least: int) -> None:
    made = ContentDiscriminator(2, layers)
    assert made(torch.zeros(1, 2, least, least)).shape == (1, 1, 1, 1)
    message = refusal(made, torch.zeros(1, 2, least, least - 1))
    assert message.endswith(f"which need images of at least {4 * least}×{4 * least} pixels")


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (216, 20)])
def test_images_of_any_size(size: tuple[int, int]) -> None:
    made, image = DRITGenerator(3, 3, width=2, blocks=1), torch.rand(1, 3, *size)
    back = made.decode(made.encode(image, "A"), torch.zeros(1, 8), "B")
    assert back.shape[2] >= size[0] and back.shape[3] >= size[1]
    mean, _ = AttributeEncoder(3, 2, 8)(image)
    assert torch.isfinite(back).all() and torch.isfinite(mean).all()
