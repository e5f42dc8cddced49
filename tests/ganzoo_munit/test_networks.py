"""MUNIT's networks: the authors' sizes, and their numbers, against plain functional code over the authors' layout."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from ganzoo import create
from ganzoo_authors.munit import munit
from ganzoo_authors.munit import munit_discriminator as recognize_discriminator
from ganzoo_authors.networks import ImportedNetwork
from ganzoo_authors.state_dicts import clean
from ganzoo_munit.autoencoder import MUNITGenerator
from ganzoo_munit.layers import LayerNorm, adaptive_instance_norm, instance_norm
from ganzoo_munit.multiscale import MultiScale
from tests.support.author_checkpoints import multiscale, munit_domain
from tests.support.author_networks import munit_content, munit_decode, munit_discriminator, munit_style
from tests.support.command_line import refusal


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def test_sizes_of_the_authors_networks() -> None:
    made = MUNITGenerator(3, 3)
    assert count(made) == 15_026_187
    assert (count(made.look), count(made.content), count(made.perceptron)) == (2_764_936, 5_385_856, 1_120_768)
    assert count(made.blocks) + count(made.up) == 5_754_627
    assert count(MUNITGenerator(19, 19)) == 15_176_731
    assert (count(MultiScale(3)), count(MultiScale(19))) == (8_271_171, 8_320_323)


@pytest.fixture
def image() -> Tensor:
    return torch.rand(2, 3, 40, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


def loaded(imported: ImportedNetwork | None) -> nn.Module:
    """Return the network of an authors' state dict, in float64."""
    assert imported is not None
    channels = [count for count in (imported.in_channels, imported.out_channels) if count]
    network: nn.Module = create(imported.kind, imported.name, *channels, **imported.options).double()
    network.load_state_dict(imported.state)
    return network


def double(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: one.double() for name, one in clean(state).items()}


def test_the_autoencoder_is_the_authors(image: Tensor) -> None:
    state = double(munit_domain(0))
    made: Any = loaded(munit(state))
    content, style = made.encode(image)
    torch.testing.assert_close(content, munit_content(state, image))
    torch.testing.assert_close(style, munit_style(state, image))
    other = torch.randn(2, 8, dtype=torch.float64)
    torch.testing.assert_close(made.decode(content, other), munit_decode(state, content, other))
    assert not torch.allclose(made.decode(content, other), made.decode(content, -other), atol=0.01)


def test_the_discriminator_is_the_authors() -> None:
    image = torch.rand(2, 3, 70, 66, dtype=torch.float64)
    state = double(multiscale())
    expected = munit_discriminator(state, image)
    assert len(expected) == 3
    for mine, theirs in zip(loaded(recognize_discriminator(state))(image), expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_scale_one_and_shift_zero_are_instance_norm(image: Tensor) -> None:
    shift, scale = torch.zeros(2, 3), torch.ones(2, 3)
    torch.testing.assert_close(adaptive_instance_norm(image, shift, scale), instance_norm(image))
    moved = adaptive_instance_norm(image, shift + 3, 2 * scale)
    torch.testing.assert_close(moved.mean((2, 3)), torch.full((2, 3), 3.0, dtype=torch.float64))


def test_softmax_gives_shares_of_classes(image: Tensor) -> None:
    """The weights are those of the network that ends in tanh; so is the likeliest class of each pixel."""
    label_maps = torch.cat([image, -image], 1)
    plain, made = (MUNITGenerator(6, 6, width=4, hidden=4, head=head).double() for head in ("tanh", "softmax"))
    made.load_state_dict(plain.state_dict())
    codes = plain.encode(label_maps)
    scores = plain.decode(*codes).atanh()
    shares = made.decode(*codes)
    powers = scores.exp()
    torch.testing.assert_close(shares, 2 * powers / powers.sum(1, keepdim=True) - 1)
    torch.testing.assert_close(shares.sum(1), torch.full((2, 40, 32), 2.0 - 6, dtype=torch.float64))
    assert torch.equal(shares.argmax(1), scores.argmax(1))


def test_layer_norm_uses_the_unbiased_deviation() -> None:
    maps = torch.randn(2, 3, 2, 2, dtype=torch.float64)
    layer = LayerNorm(3).double()
    assert bool((layer.gamma >= 0).all() and (layer.gamma <= 1).all()) and not layer.beta.any()
    nn.init.ones_(layer.gamma)
    deviation = ((maps - maps.mean((1, 2, 3), keepdim=True)) ** 2).sum((1, 2, 3), keepdim=True).div(11).sqrt()
    expected = (maps - maps.mean((1, 2, 3), keepdim=True)) / (deviation + 1e-5)
    torch.testing.assert_close(layer(maps), expected)


@pytest.mark.parametrize("size", [(1, 1), (7, 33), (32, 32), (50, 9)])
def test_any_size_comes_back(size: tuple[int, int]) -> None:
    made = MUNITGenerator(3, 3, width=2, hidden=4)
    image = torch.rand(1, 3, *size)
    assert made(image).shape == image.shape
    assert torch.isfinite(made(image)).all()
    assert made.encode_style(image).shape == (1, 8)


def test_images_that_are_too_small_are_refused() -> None:
    made = create("discriminator", "multiscale", 3, width=2)
    assert len(made(torch.rand(1, 3, 64, 64))) == 3
    message = refusal(made, torch.rand(1, 3, 63, 80))
    assert message.startswith(
        "multiscale with these scales and layers needs images of at least 64×64 pixels, not 63×80"
    )
    assert len(create("discriminator", "multiscale", 3, width=2, layers=2, scales=2)(torch.rand(1, 3, 8, 8))) == 2
