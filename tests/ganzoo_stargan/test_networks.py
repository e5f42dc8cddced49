"""StarGAN v2's networks: the published numbers of parameters, plain formulas of the blocks, sizes of images."""

from __future__ import annotations

from math import sqrt
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.settings import pair
from ganzoo_stargan.discriminator import StarDiscriminator
from ganzoo_stargan.generator import AdaptiveBlock, StarGenerator
from ganzoo_stargan.layers import AffineNorm, PoolingBlock
from ganzoo_stargan.styles import MappingNetwork, StyleEncoder


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_the_numbers_of_parameters_are_those_of_the_released_networks() -> None:
    with torch.device("meta"):
        assert count(StarGenerator(3, 3)) == 33_892_995
        assert count(StarDiscriminator(3)) == 20_852_290
        assert count(MappingNetwork(16, 512, 64)) == 2_438_272
        assert count(StyleEncoder(3, 64, 512, 6, 64)) == 20_916_928


def normed(maps: Tensor) -> Tensor:
    mean, variance = maps.mean((2, 3), keepdim=True), maps.var((2, 3), unbiased=False, keepdim=True)
    return (maps - mean) / (variance + 1e-5).sqrt()


def leaky(maps: Tensor) -> Tensor:
    return torch.where(maps > 0, maps, 0.2 * maps)


def test_a_pooling_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block: Any = PoolingBlock(2, 3, norm=True, down=True).double()
    for norm in block.norms:
        assert isinstance(norm, AffineNorm)
        nn.init.normal_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(2, 2, 6, 5, dtype=torch.float64)

    def affine(number: int, maps: Tensor) -> Tensor:
        norm = block.norms[number]
        return normed(maps) * norm.weight[None, :, None, None] + norm.bias[None, :, None, None]

    def pooled(maps: Tensor) -> Tensor:
        quarters = [maps[..., i::2, j::2][..., :3, :2] for i in (0, 1) for j in (0, 1)]
        return torch.stack(quarters).mean(0)

    hidden = pooled(F.conv2d(leaky(affine(0, x)), block.first.weight, block.first.bias, padding=1))
    hidden = F.conv2d(leaky(affine(1, hidden)), block.second.weight, block.second.bias, padding=1)
    skipped = pooled(torch.einsum("oi,bihw->bohw", block.shortcut.weight[..., 0, 0], x))
    torch.testing.assert_close(block(x), (hidden + skipped) / sqrt(2))


def test_an_adaptive_block_is_its_formula() -> None:
    torch.manual_seed(0)
    block: Any = AdaptiveBlock(2, 3, 4, up=True).double()
    x, style = torch.randn(2, 2, 3, 5, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)

    def adapted(number: int, maps: Tensor) -> Tensor:
        values = style @ block.affine[number].weight.T + block.affine[number].bias
        gamma, beta = values[:, : maps.shape[1], None, None], values[:, maps.shape[1] :, None, None]
        return (1 + gamma) * normed(maps) + beta

    def doubled(maps: Tensor) -> Tensor:
        return maps.repeat_interleave(2, 2).repeat_interleave(2, 3)

    hidden = F.conv2d(doubled(leaky(adapted(0, x))), block.first.weight, block.first.bias, padding=1)
    hidden = F.conv2d(leaky(adapted(1, hidden)), block.second.weight, block.second.bias, padding=1)
    skipped = doubled(torch.einsum("oi,bihw->bohw", block.shortcut.weight[..., 0, 0], x))
    torch.testing.assert_close(block(x, style), (hidden + skipped) / sqrt(2))


@pytest.mark.parametrize("size", [16, (7, 13), (1, 1)])
def test_the_generator_takes_images_of_any_size(size: int | tuple[int, int]) -> None:
    generator = StarGenerator(1, 1, width=2, downs=2, style=3)
    height, width = pair(size)
    decoded = generator.decode(generator.encode(torch.zeros(2, 1, height, width)), torch.zeros(2, 3))
    assert decoded.shape[:2] == (2, 1)
    assert decoded.shape[2] >= height
    assert decoded.shape[3] >= width


def test_larger_images_get_a_map_of_logits_for_each_domain() -> None:
    assert StarDiscriminator(3, width=2, downs=1, domains=5)(torch.zeros(2, 3, 8, 9)).shape == (2, 5, 1, 1)
    assert StarDiscriminator(3, width=2, downs=1)(torch.zeros(2, 3, 10, 12)).shape == (2, 2, 2, 3)


def test_domains_share_all_but_the_last_layers_of_the_mapping_and_the_style_encoder() -> None:
    mapping, encoder = MappingNetwork(3, 4, 5), StyleEncoder(3, 2, 4, 1, 5)
    images = torch.randn(2, 3, 8, 8)
    for network, values in ((mapping, torch.randn(2, 3)), (encoder, images)):
        assert network(values, "A").shape == (2, 5)
        assert not torch.equal(network(values, "A"), network(values, "B"))
        network(values, "A").sum().backward()
        assert all(p.grad is None for p in network.branches["B"].parameters())


def test_refusals() -> None:
    with pytest.raises(GanzooError, match="starganv2 needs images of at least 8×8 pixels, not 7×9"):
        StarDiscriminator(3, width=2, downs=1)(torch.zeros(1, 3, 7, 9))
    with pytest.raises(GanzooError, match="the style encoder of starganv2 needs images of at least 8×8 pixels"):
        StyleEncoder(3, 2, 4, 1, 5)(torch.zeros(1, 3, 9, 7), "A")
