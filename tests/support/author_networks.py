"""MUNIT and UNIT in plain functional torch, over state dicts in the authors' layouts: the reference of tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

State = Mapping[str, Tensor]


@dataclass(frozen=True)
class Config:
    """``pad_type`` and ``activ`` of the authors' configuration."""

    pad: str = "reflect"
    slope: float = 0.0

    def active(self, maps: Tensor) -> Tensor:
        return torch.where(maps > 0, maps, self.slope * maps)


RELEASED = Config()


def padded(state: State, name: str, maps: Tensor, stride: int = 1, config: Config = RELEASED) -> Tensor:
    """A convolution with a bias on padded maps."""
    kernel = state[f"{name}.weight"]
    pad = (kernel.shape[-1] - 1) // 2
    mode = "constant" if config.pad == "zero" else config.pad
    return F.conv2d(F.pad(maps, (pad,) * 4, mode=mode), kernel, state[f"{name}.bias"], stride)


def instance(maps: Tensor) -> Tensor:
    mean = maps.mean((2, 3), keepdim=True)
    return (maps - mean) / (maps.var((2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()


def munit_content(state: State, x: Tensor, start: str = "enc_content", config: Config = RELEASED) -> Tensor:
    x = config.active(instance(padded(state, f"{start}.model.0.conv", x, 1, config)))
    for i in (1, 2):
        x = config.active(instance(padded(state, f"{start}.model.{i}.conv", x, 2, config)))
    return residual_blocks(state, x, f"{start}.model.3", config)


def residual_blocks(state: State, x: Tensor, start: str, config: Config) -> Tensor:
    for i in range(4):
        name = f"{start}.model.{i}.model"
        inner = config.active(instance(padded(state, f"{name}.0.conv", x, 1, config)))
        x = x + instance(padded(state, f"{name}.1.conv", inner, 1, config))
    return x


def munit_style(state: State, x: Tensor, config: Config = RELEASED) -> Tensor:
    x = config.active(padded(state, "enc_style.model.0.conv", x, 1, config))
    for i in (1, 2, 3, 4):
        x = config.active(padded(state, f"enc_style.model.{i}.conv", x, 2, config))
    x = x.mean((2, 3), keepdim=True)
    return F.conv2d(x, state["enc_style.model.6.weight"], state["enc_style.model.6.bias"]).flatten(1)


def munit_decode(state: State, content: Tensor, style: Tensor, config: Config = RELEASED) -> Tensor:
    numbers = style
    for i in (0, 1, 2):
        numbers = F.linear(numbers, state[f"mlp.model.{i}.fc.weight"], state[f"mlp.model.{i}.fc.bias"])
        numbers = config.active(numbers) if i < 2 else numbers
    x, at, wide = content, 0, content.shape[1]
    for i in range(4):
        inner = x
        for j in (0, 1):
            shift, scale = numbers[:, at : at + wide], numbers[:, at + wide : at + 2 * wide]
            at += 2 * wide
            made = instance(padded(state, f"dec.model.0.model.{i}.model.{j}.conv", inner, 1, config))
            inner = made * scale[:, :, None, None] + shift[:, :, None, None]
            inner = config.active(inner) if j == 0 else inner
        x = x + inner
    assert at == numbers.shape[1]
    return decoder_end(state, x, config)


def decoder_end(state: State, x: Tensor, config: Config) -> Tensor:
    for i in (2, 4):
        x = padded(state, f"dec.model.{i}.conv", x.repeat_interleave(2, 2).repeat_interleave(2, 3), 1, config)
        flat = x.flatten(1)
        normal = (flat - flat.mean(1, keepdim=True)) / (flat.std(1, keepdim=True) + 1e-5)
        gain, bias = (state[f"dec.model.{i}.norm.{one}"][:, None, None] for one in ("gamma", "beta"))
        x = config.active(normal.view_as(x) * gain + bias)
    return padded(state, "dec.model.5.conv", x, 1, config).tanh()


def unit_encode(state: State, x: Tensor, config: Config = RELEASED) -> Tensor:
    return munit_content(state, x, "enc", config)


def unit_decode(state: State, x: Tensor, config: Config = RELEASED) -> Tensor:
    return decoder_end(state, residual_blocks(state, x, "dec.model.0", config), config)


def munit_discriminator(state: State, x: Tensor, config: Config = RELEASED) -> list[Tensor]:
    found = []
    for scale in range(3):
        maps = x
        for i in range(4):
            maps = F.leaky_relu(padded(state, f"cnns.{scale}.{i}.conv", maps, 2, config), 0.2)
        found.append(F.conv2d(maps, state[f"cnns.{scale}.4.weight"], state[f"cnns.{scale}.4.bias"]))
        ones = torch.ones_like(x[:, :1])
        box = torch.ones(1, 1, 3, 3, dtype=x.dtype)
        total = F.conv2d(x.flatten(0, 1)[:, None], box, None, 2, 1).view(len(x), x.shape[1], -1, -(-x.shape[-1] // 2))
        x = total / F.conv2d(ones, box, None, 2, 1)  # pixels outside are not counted
    return found
