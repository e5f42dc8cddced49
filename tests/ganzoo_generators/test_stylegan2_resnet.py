"""StyleGAN2's ResNet: its size, its numbers against plain code with zeros inserted, its scale, features for CUT."""

from __future__ import annotations

from math import sqrt
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.testing import train_tiny
from ganzoo_generators.stylegan2_layers import StyleBlock
from ganzoo_generators.stylegan2_resnet import StyleGAN2ResNet

State = dict[str, Tensor]


def image(channels: int = 3, height: int = 16, width: int = 24) -> Tensor:
    drawn = torch.Generator().manual_seed(0)
    return torch.rand(2, channels, height, width, generator=drawn, dtype=torch.float64) * 2 - 1


def filtered(x: Tensor, before: int, after: int, gain: float = 1) -> Tensor:
    """Each map padded with zeros and convolved with the kernel, one sum over shifted maps."""
    row = torch.tensor([1, 3, 3, 1], dtype=x.dtype)
    kernel = row[:, None] * row / 64 * gain
    x = F.pad(x, (before, after, before, after))
    height, width = x.shape[2] - 3, x.shape[3] - 3
    return sum(kernel[i, j] * x[:, :, i : i + height, j : j + width] for i in range(4) for j in range(4))  # type: ignore[return-value]


def equal(x: Tensor, state: State, name: str, **options: int) -> Tensor:
    weight = state[f"{name}.parametrizations.weight.original"]
    return F.conv2d(x, weight / sqrt(weight[0].numel()), state.get(f"{name}.bias"), **options)


def active(x: Tensor, state: State, name: str) -> Tensor:
    x = x + state[f"{name}.bias"][:, None, None]
    return torch.where(x > 0, x, 0.2 * x) * sqrt(2)


def block(x: Tensor, state: State, name: str, halve: bool) -> Tensor:
    y = active(equal(x, state, f"{name}.convs.1", padding=1), state, f"{name}.convs.2")
    if halve:
        y = equal(filtered(y, 2, 2), state, f"{name}.convs.4", stride=2)
        x = equal(filtered(x, 1, 1), state, f"{name}.shortcut.1", stride=2)
    else:
        y = equal(y, state, f"{name}.convs.4", padding=1)
    return (active(y, state, f"{name}.convs.5") + x) / sqrt(2)


def doubled(x: Tensor, state: State, name: str) -> Tensor:
    weight = state[f"{name}.0.weight"].transpose(0, 1)  # (out, in, 3, 3)
    weight = weight / sqrt(weight[0].numel())
    weight = weight / (weight.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
    spread = x.new_zeros(*x.shape[:2], 2 * x.shape[2] - 1, 2 * x.shape[3] - 1)
    spread[:, :, ::2, ::2] = x
    larger = F.conv2d(spread, weight.flip(2, 3), padding=2)
    return active(filtered(larger, 1, 1, gain=4), state, f"{name}.1")


def filled(network: nn.Module) -> nn.Module:
    """Return a network in float64 of which every weight and bias makes a difference."""
    drawn = torch.Generator().manual_seed(1)
    for parameter in network.parameters():
        parameter.data.copy_(torch.randn(parameter.shape, generator=drawn))
    return network.double()


def test_the_size_of_the_network() -> None:
    assert sum(one.numel() for one in StyleGAN2ResNet(3, 3).parameters()) == 8_044_739


def test_it_computes_the_released_formulas() -> None:
    network, images = filled(StyleGAN2ResNet(3, 2, width=3, blocks=2)), image()
    state = network.state_dict()
    x = active(equal(images, state, "model.1.0"), state, "model.1.1")
    for number, halve in ((2, True), (3, True), (4, False), (5, False)):
        x = block(x, state, f"model.{number}", halve)
        torch.testing.assert_close(network.features(images, (number,))[0], x)  # type: ignore[operator]
    for number in (6, 7):
        x = doubled(x, state, f"model.{number}")
    torch.testing.assert_close(network(images), equal(x, state, "model.8").tanh())


def test_maps_keep_their_scale_at_first() -> None:
    torch.manual_seed(0)
    network = StyleGAN2ResNet(8, 3, width=16, downs=1, blocks=4)
    drawn = torch.randn(4, 8, 64, 64, generator=torch.Generator().manual_seed(0))
    for number, maps in enumerate(network.features(drawn, tuple(range(1, 7)))):
        assert 0.4 < float(maps.detach().square().mean().sqrt()) < 1.6, number


def test_the_weights_of_its_layers() -> None:
    torch.manual_seed(0)
    for name, stored in StyleGAN2ResNet(3, 3, width=16).named_parameters():  # before they are scaled
        if name.endswith("bias"):
            assert not stored.any()
        elif stored.numel() > 2000:
            assert float(stored.detach().std()) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("padding", ["zero", "reflect", "replicate"])
@pytest.mark.parametrize("size", [(1, 1), (3, 17), (16, 16)])
def test_any_size_and_padding(padding: Any, size: tuple[int, int]) -> None:
    assert StyleGAN2ResNet(1, 2, width=2, padding=padding)(image(1, *size).float()).shape == (2, 2, *size)


def test_paddings_change_the_border_only() -> None:
    maps, results = torch.randn(1, 2, 16, 16), []
    for padding in ("zero", "reflect"):
        torch.manual_seed(0)
        results.append(StyleBlock(2, 2, padding, halve=True)(maps))
    assert torch.equal(*(one[..., 2:-2, 2:-2] for one in results)) and not torch.equal(*results)


def test_its_maps_keep_half_precision_and_layout() -> None:
    network = StyleGAN2ResNet(3, 3, width=4, blocks=2).to(memory_format=torch.channels_last)
    images = image().float().to(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        maps = network.features(images, tuple(range(1, 9)))
    for one in maps:
        assert one.dtype == torch.bfloat16 and one.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(maps[-1].float(), network.features(images, (8,))[0], rtol=0.1, atol=0.1)


def test_layers_that_do_not_exist_are_refused() -> None:
    network = StyleGAN2ResNet(3, 3, width=2, blocks=0)
    for layers in ((), (9,), (-1,)):
        with pytest.raises(GanzooError, match=r"stylegan2_resnet has the layers 0 … 7, not \["):
            network.features(image().float(), layers)


def test_cut_trains_it(tmp_path: Path) -> None:
    method = {"method": "cut", "layers": [0, 2, 4], "patches": 8, "size": 6}
    networks = {"G": {"generator": "stylegan2_resnet", "width": 2, "blocks": 2}, "D": {"layers": 1}}
    run = train_tiny(tmp_path, {"method": method, "networks": networks})
    assert (run.folder / "checkpoints" / "last").is_dir()
