"""``vit_unet`` against a plain transcription of UVCGANv2's and UVCGAN's generators, in float64."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_uvcgan.generator import Modulated, ViTUNet
from ganzoo_uvcgan.modulation import ModulatedConv2d
from ganzoo_uvcgan.transformer import positions
from tests.support.command_line import refusal

SMALL: dict[str, Any] = {"width": 2, "levels": 2, "size": 6, "heads": 3, "blocks": 2}


def count(network: nn.Module) -> int:
    return sum(one.numel() for one in network.parameters())


def conv(before: int, after: int, side: int = 3) -> int:
    return before * after * side * side + after


def linear(before: int, after: int) -> int:
    return before * after + after


@pytest.mark.parametrize(("modulation", "expected"), [(True, 32_192_231), (False, 31_360_239)])
def test_the_numbers_of_parameters_are_those_of_the_released_layers(modulation: bool, expected: int) -> None:
    size, norm = 384, 2 * 384
    block = linear(size, 3 * size) + linear(size, size) + linear(size, 4 * size) + linear(4 * size, size) + 2 * norm + 1
    transformer = linear(2, size) + linear(2 * size, size) + 12 * block + linear(size, 384) + modulation * size
    total = transformer + conv(3, 48) + conv(48, 3, side=1)
    for outer, inner in ((48, 48), (48, 96), (96, 192), (192, 384)):
        down = conv(outer, inner) + conv(inner, inner) + conv(inner, inner, side=2)
        up = conv(inner, inner) + conv(2 * inner, inner) + conv(inner, outer)
        total += down + up + modulation * (linear(size, 2 * inner) + linear(size, inner) + 2)
    assert total == expected == count(ViTUNet(3, 3, modulation=modulation, norm="none" if modulation else "instance"))


def awake(network: nn.Module) -> Any:
    """Return the network in float64, with random values where the initialization has 0."""
    torch.manual_seed(1)
    for one in network.parameters():
        nn.init.normal_(one, 0, 0.3)
    return network.double().eval()


def modulated(layer: ModulatedConv2d, x: Tensor, style: Tensor) -> Tensor:
    """StyleGAN2's equations 1 and 3: each image has its own weights. The bias is normalized, too, as released."""
    rows = []
    for image, one in zip(x, style, strict=True):
        s = 1 + layer.alpha * (layer.affine.weight @ one + layer.affine.bias)
        weight = layer.conv.weight * s[None, :, None, None]
        scale = 1 / (weight.square().sum((1, 2, 3)) + 1e-6).sqrt()
        assert layer.conv.bias is not None
        rows.append(F.conv2d(image[None], weight * scale[:, None, None, None], layer.conv.bias * scale, padding=1))
    return torch.cat(rows)


def attend(layer: Any, x: Tensor) -> Tensor:
    q, k, v = (x @ layer.input.weight.T + layer.input.bias).chunk(3, 1)
    heads = []
    for q1, k1, v1 in zip(*(one.chunk(layer.heads, 1) for one in (q, k, v)), strict=True):
        heads.append(torch.softmax(q1 @ k1.T / k1.shape[1] ** 0.5, 1) @ v1)
    return torch.cat(heads, 1) @ layer.output.weight.T + layer.output.bias


def plainly(G: Any, images: Tensor) -> Tensor:
    def normed(x: Tensor, active: bool) -> Tensor:
        return (x - x.mean((2, 3), True)) / (x.var((2, 3), False, True) + 1e-5).sqrt() if active else x

    def act(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.01 * x)

    def twice(block: Any, x: Tensor) -> Tensor:
        instance = not hasattr(G.up[0], "first")
        for layer in (block[1], block[4]):
            x = act(F.conv2d(normed(x, instance), layer.weight, layer.bias, padding=1))
        return x

    x = act(F.conv2d(images, G.first[0].weight, G.first[0].bias, padding=1))
    skips = []
    for block, halve in zip(G.down, G.halvings, strict=True):
        skips.append(twice(block, x))
        x = F.conv2d(skips[-1], halve.weight, halve.bias, stride=2)
    vit, (h, w) = G.bottleneck, x.shape[2:]
    styles, maps = [], []
    for one in x:
        tokens = []
        for row in range(h):
            for column in range(w):
                place = torch.tensor([2 * column / (w - 1) - 1, 2 * row / (h - 1) - 1]).double()
                place = torch.sin(vit.embedding.weight @ place + vit.embedding.bias)
                tokens.append(vit.input.weight @ torch.cat([place, one[:, row, column]]) + vit.input.bias)
        if vit.style is not None:
            tokens.append(vit.style[0, 0])
        t = torch.stack(tokens)
        for block in vit.blocks:
            t = t + block.alpha * attend(block.attention, block.attention_norm(t))
            t = t + block.alpha * block.perceptron(block.perceptron_norm(t))
        styles.append(t[h * w :].flatten())
        maps.append((t[: h * w] @ vit.output.weight.T + vit.output.bias).T.reshape(-1, h, w))
    x, style = torch.stack(maps), torch.stack(styles)
    for block, double in zip(reversed(G.up), list(G.doublings)[::-1], strict=True):
        larger = F.conv2d(F.interpolate(x, scale_factor=2, mode="nearest"), double[2].weight, double[2].bias, padding=1)
        x = torch.cat([larger, skips.pop()], 1)
        if isinstance(block, Modulated):
            x = act(modulated(block.second, act(modulated(block.first, x, style)), style))
        else:
            x = twice(block.layers, x)
    return 2 / (1 + torch.exp(-F.conv2d(x, G.last.weight, G.last.bias))) - 1


@pytest.mark.parametrize("options", [{}, {"modulation": False, "norm": "instance"}], ids=["uvcgan2", "uvcgan"])
def test_the_forward_pass_is_the_formula(options: dict[str, Any]) -> None:
    network = awake(ViTUNet(3, 3, **SMALL, **options))
    images = torch.randn(2, 3, 8, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    result = network(images)
    assert result.std() > 0.05
    torch.testing.assert_close(result, plainly(network, images))


def test_positions_run_from_minus_1_to_1_for_any_size() -> None:
    assert positions(torch.zeros(1, 1, 2, 3))[0].tolist() == [[-1, -1], [0, -1], [1, -1], [-1, 1], [0, 1], [1, 1]]
    assert positions(torch.zeros(1, 1, 1, 1)).tolist() == [[[-1, -1]]]


def test_new_blocks_change_nothing_and_new_styles_scale_nothing() -> None:
    network = ViTUNet(3, 3, **SMALL)
    tokens = torch.randn(1, 5, 6)
    assert torch.equal(network.bottleneck.blocks(tokens), tokens)
    layer = ModulatedConv2d(2, 3, 6, "zero")
    maps = torch.randn(2, 2, 5, 5)
    assert torch.equal(layer(maps, torch.randn(2, 6)), layer(maps, torch.zeros(2, 6)))


def test_the_style_differs_between_images_and_changes_the_result() -> None:
    network = awake(ViTUNet(3, 3, **SMALL)).float()
    images = torch.randn(2, 3, 8, 8)
    before = network(images)
    with torch.no_grad():
        for block in network.up:
            block.first.alpha.zero_()
            block.second.alpha.zero_()
    assert (network(images) - before).abs().amax((1, 2, 3)).min() > 1e-4


@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
@pytest.mark.parametrize("upsample", ["resize", "deconv", "pixelshuffle"])
def test_any_size_upsampling_and_padding(padding: Any, upsample: Any) -> None:
    network = ViTUNet(1, 3, **SMALL, padding=padding, upsample=upsample)
    for height, width in ((1, 1), (9, 14), (33, 4)):
        assert network(torch.zeros(1, 1, height, width)).shape == (1, 3, height, width)


def test_modulation_is_computed_in_float32_under_autocast() -> None:
    layer = ModulatedConv2d(2, 3, 6, "zero")
    with torch.no_grad():
        layer.conv.weight.mul_(1e-3)
    maps, style = torch.randn(2, 2, 5, 5), torch.randn(2, 6)
    with torch.autocast("cpu", torch.bfloat16):
        result = layer(maps, style)
    torch.testing.assert_close(result.float(), layer(maps, style), rtol=0.03, atol=0.03)
    assert result.dtype == torch.bfloat16


def test_heads_must_divide_the_size() -> None:
    assert "vit_unet: size is 6, which 4 heads do not divide" in refusal(lambda: ViTUNet(3, 3, size=6, heads=4))
