"""NAFNet: the authors' size, its numbers against plain functional code, the residual, and its options."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo_generators.nafnet import ChannelNorm, NAFBlock, NAFNet

SMALL: dict[str, Any] = {"width": 4, "encoder": (1, 2), "middle": 1, "decoder": (1, 1)}


def image(channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.rand(2, channels, height, width, generator=drawn, dtype=torch.float64) * 2 - 1


def filled(network: nn.Module) -> nn.Module:
    """Return a network in float64 of which every weight and bias makes a difference."""
    drawn = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data.copy_(0.4 * torch.randn(parameter.shape, generator=drawn))
    return network.double()


def norm(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    last = F.layer_norm(x.movedim(1, -1), x.shape[1:2], state[f"{name}.weight"], state[f"{name}.bias"], 1e-6)
    return last.movedim(-1, 1)


def gate(x: Tensor) -> Tensor:
    half = x.shape[1] // 2
    return x[:, :half] * x[:, half:]


def block(state: dict[str, Tensor], name: str, x: Tensor) -> Tensor:
    """A NAFBlock as in figure 3c of the paper."""

    def conv(part: str, y: Tensor, **options: int) -> Tensor:
        return F.conv2d(y, state[f"{name}.{part}.weight"], state[f"{name}.{part}.bias"], **options)

    double = 2 * x.shape[1]
    y = gate(conv("mix.2", conv("mix.1", norm(state, f"{name}.mix.0", x)), padding=1, groups=double))
    means = y.flatten(2).mean(2)[..., None, None]
    x = x + state[f"{name}.beta"] * conv("mix.5", y * conv("mix.4.conv", means))
    y = gate(conv("expand.1", norm(state, f"{name}.expand.0", x)))
    return x + state[f"{name}.gamma"] * conv("expand.3", y)


def plain(state: dict[str, Tensor], x: Tensor) -> Tensor:
    x = F.conv2d(x, state["intro.weight"], state["intro.bias"], padding=1)
    first = block(state, "encoders.0.0", x)
    x = F.conv2d(first, state["downs.0.weight"], state["downs.0.bias"], 2)
    second = block(state, "encoders.1.1", block(state, "encoders.1.0", x))
    x = block(state, "middle.0", F.conv2d(second, state["downs.1.weight"], state["downs.1.bias"], 2))
    for level, skip in enumerate((second, first)):
        x = F.pixel_shuffle(F.conv2d(x, state[f"ups.{level}.0.weight"]), 2)
        x = block(state, f"decoders.{level}.0", x + skip)
    return F.conv2d(x, state["ending.weight"], state["ending.bias"], padding=1)


def test_the_size_of_the_authors_network() -> None:
    """17.11 million for GoPro, width 32."""
    assert sum(one.numel() for one in NAFNet(3, 3).parameters()) == 17_111_907


@pytest.mark.parametrize("residual", [False, True])
def test_it_computes_the_paper_s_formulas(residual: bool) -> None:
    network, images = filled(NAFNet(3, 3, **SMALL, residual=residual)), image()
    expected = plain(network.state_dict(), images)
    if residual:
        expected = expected + torch.atanh(images * 255 / 256)
    torch.testing.assert_close(network(images), expected.tanh())


def test_blocks_change_nothing_at_first() -> None:
    maps = torch.randn(2, 4, 5, 7)
    assert torch.equal(NAFBlock(4, "layer", "zero")(maps), maps)


def test_the_residual_keeps_an_image_within_half_a_level() -> None:
    network = NAFNet(3, 3, **SMALL, residual=True)
    nn.init.zeros_(network.ending.weight)
    nn.init.zeros_(network.ending.bias)  # type: ignore[arg-type]
    images = torch.cat([image().float(), torch.ones(1, 3, 16, 24), -torch.ones(1, 3, 16, 24)])
    assert float((network(images) - images).detach().abs().max()) <= 1 / 255


def test_the_norm_is_float32_and_keeps_type_and_layout() -> None:
    layer = ChannelNorm(4)
    nn.init.normal_(layer.weight)
    maps = (100 + torch.randn(2, 4, 5, 6)).to(memory_format=torch.channels_last)
    expected = F.layer_norm(maps.movedim(1, -1), (4,), layer.weight, layer.bias, 1e-6).movedim(-1, 1)
    normed = layer(maps)
    torch.testing.assert_close(normed, expected, rtol=1e-4, atol=1e-4)
    assert normed.is_contiguous(memory_format=torch.channels_last)
    half = maps.bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        found = layer(half)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, layer(half.float()).bfloat16())


@pytest.mark.parametrize(
    ("norm", "padding", "upsample"),
    [("layer", "reflect", "deconv"), ("instance", "replicate", "resize"), ("batch", "zero", "pixelshuffle")],
)
def test_options_of_its_layers(norm: Any, padding: Any, upsample: Any) -> None:
    network = NAFNet(1, 2, **SMALL, norm=norm, padding=padding, upsample=upsample)
    for height, width in product((1, 9), (1, 14)):
        assert network(image(1, height, width).float()).shape == (2, 2, height, width)


def test_impossible_options_are_refused() -> None:
    with pytest.raises(GanzooError, match="nafnet: encoder has 2 sizes and decoder 1: give both equally many"):
        NAFNet(3, 3, encoder=(1, 1), decoder=(1,))
    with pytest.raises(GanzooError, match="nafnet: residual needs images of as many channels before as after, not 3"):
        NAFNet(3, 1, residual=True)
