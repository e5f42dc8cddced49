"""``stylegan2`` against a plain transcription in float64: blur, scaled weights, gains, groups of the deviation."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import forward_together
from ganzoo_discriminators.deviation import BatchDeviation
from ganzoo_discriminators.stylegan2 import StyleGAN2
from ganzoo_generators.stylegan2_layers import Blur, equal_conv


def act(values: Tensor) -> Tensor:
    return torch.where(values > 0, values, 0.2 * values) * math.sqrt(2)


def blurred(maps: Tensor, padding: int) -> Tensor:
    padded = F.pad(maps, [padding] * 4)
    height, width = padded.shape[-2] - 3, padded.shape[-1] - 3
    line, result = [1 / 8, 3 / 8, 3 / 8, 1 / 8], torch.zeros(*maps.shape[:2], height, width, dtype=maps.dtype)
    for i in range(4):
        for j in range(4):
            result += line[i] * line[j] * padded[:, :, i : i + height, j : j + width]
    return result


def reference(network: StyleGAN2, images: Tensor, group: int) -> Tensor:
    """Karras et al. 2020, figure 7c and appendix B, with the weights of a network."""
    raw = {
        name.replace("parametrizations.weight.original", "weight"): one for name, one in network.state_dict().items()
    }

    def conv(maps: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        weight = raw[f"{name}.weight"]
        return F.conv2d(maps, weight / math.sqrt(weight[0].numel()), None, stride, padding)

    maps = act(conv(images, "first.0") + raw["first.1.bias"][:, None, None])
    for block in (f"blocks.{number}" for number in range(len(network.blocks))):
        inner = act(conv(maps, f"{block}.convs.1", padding=1) + raw[f"{block}.convs.2.bias"][:, None, None])
        inner = act(conv(blurred(inner, 2), f"{block}.convs.4", 2) + raw[f"{block}.convs.5.bias"][:, None, None])
        maps = (inner + conv(blurred(maps, 1), f"{block}.shortcut.1", 2)) / math.sqrt(2)
    channel = torch.zeros_like(maps[:, :1])
    for start in range(0, len(maps), group):
        part = maps[start : start + group]
        variance = (part - part.mean(0)).square().mean(0)
        channel[start : start + group] = (variance + 1e-8).sqrt().mean()
    maps = act(conv(torch.cat([maps, channel], 1), "conv.1", padding=1) + raw["conv.2.bias"][:, None, None]).flatten(1)
    for name in ("hidden", "logit"):
        weight = raw[f"{name}.weight"]
        maps = maps @ (weight / math.sqrt(weight.shape[1])).T + raw[f"{name}.bias"]
        maps = act(maps) if name == "hidden" else maps
    return maps


def test_it_computes_the_published_function() -> None:
    torch.manual_seed(0)
    network = StyleGAN2(3, width=3, max_width=5, layers=2, group=2).double()
    for name, one in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.normal_(one)
    images = torch.rand(4, 3, 16, 16, dtype=torch.float64) * 2 - 1
    assert torch.allclose(network(images)[:, :, 0, 0], reference(network, images, 2), rtol=1e-10)
    assert torch.allclose(network.eval()(images)[:, :, 0, 0], reference(network, images, 1), rtol=1e-10)


def test_blur_keeps_constant_maps_and_their_size() -> None:
    maps = Blur("zero", 2)(torch.ones(1, 2, 9, 9))
    assert maps.shape == (1, 2, 10, 10) and torch.allclose(maps[:, :, 2:-2, 2:-2], torch.ones(1, 2, 6, 6))


def test_the_published_number_of_parameters() -> None:
    # 256×256, channel base 32768, at most 512: widths 128, 256, 512, …
    network = StyleGAN2(3, width=128, layers=6)
    blocks = [(128, 256), (256, 512), *[(512, 512)] * 4]
    expected = 3 * 128 + 128 + sum(9 * a * a + a + 9 * a * b + b + a * b for a, b in blocks)
    expected += 9 * 513 * 512 + 512 + 512 * 16 * 512 + 512 + 513
    assert sum(one.numel() for one in network.parameters()) == expected


def test_scaled_weights_keep_the_mean_square() -> None:
    torch.manual_seed(0)
    maps = torch.randn(8, 64, 16, 16)
    assert equal_conv(64, 64, 3)(maps).square().mean().item() == pytest.approx(1, abs=0.1)


def test_groups_are_consecutive_images() -> None:
    maps = torch.rand(8, 3, 2, 2, dtype=torch.float64)
    layer = BatchDeviation(4)
    halves = torch.cat([layer(maps[:4]), layer(maps[4:])])
    assert torch.equal(layer(maps), halves)  # two processes with 4 images each, and one with 8
    assert layer(maps)[0, 3, 0, 0] == layer(maps)[3, 3, 1, 1] != layer(maps)[4, 3, 0, 0]
    assert [len(set(layer(maps[:count])[:, 3, 0, 0].tolist())) for count in (1, 4, 5, 6, 7)] == [1, 1, 2, 2, 2]
    assert torch.allclose(layer(maps[:1])[:, 3], torch.tensor(1e-4, dtype=torch.float64))


def test_real_and_generated_images_share_no_group() -> None:
    network = StyleGAN2(1, width=2, layers=1, group=4)
    real, fake = torch.rand(3, 1, 8, 8), torch.rand(3, 1, 8, 8)
    together = forward_together(network, [real, fake])
    assert torch.equal(together[0], network(real)) and torch.equal(together[1], network(fake))


def test_other_sizes_are_averaged_to_4x4_and_too_small_ones_refused() -> None:
    network = StyleGAN2(3, width=2, layers=2)
    assert network(torch.rand(2, 3, 33, 47)).shape == (2, 1, 1, 1)
    with pytest.raises(
        GanzooError, match=r"^stylegan2 with layers: 2 needs images of at least 16×16 pixels, not 15×20"
    ):
        network(torch.rand(1, 3, 15, 20))
