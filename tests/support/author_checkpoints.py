"""Random state dicts in the layouts of the authors' checkpoints, and plain forward passes through them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from tests.support.author_networks import RELEASED, Config, instance, munit_content, munit_decode

State = dict[str, Tensor]


def drawn(convs: Mapping[str, tuple[int, ...]], seed: int = 0) -> State:
    """Return random weights of given shapes, and biases."""
    generator = torch.Generator().manual_seed(seed)
    found: State = {}
    for name, shape in convs.items():
        found[f"{name}.weight"] = torch.randn(shape, generator=generator) * (2 / (shape[1] * 9)) ** 0.5
        found[f"{name}.bias"] = torch.randn(shape[0], generator=generator) * 0.1
    return found


def transposed(state: State, *names: str) -> State:
    """Return the state with the biases of transposed convolutions, whose weights are (in, out, h, w)."""
    return {**state, **{f"{name}.bias": torch.randn(state[f"{name}.weight"].shape[1]) * 0.1 for name in names}}


def resnet(width: int = 4, blocks: int = 2, channels: tuple[int, int] = (3, 3)) -> State:
    """CycleGAN's ResNet with instance norm: model.1, 4, 7, blocks from 10, then 10 + n, 13 + n, 17 + n."""
    w, end = width, 10 + blocks
    convs: dict[str, tuple[int, ...]] = {"model.1": (w, channels[0], 7, 7)}
    convs |= {"model.4": (2 * w, w, 3, 3), "model.7": (4 * w, 2 * w, 3, 3)}
    convs |= {f"model.{10 + i}.conv_block.{j}": (4 * w, 4 * w, 3, 3) for i in range(blocks) for j in (1, 5)}
    convs |= {f"model.{end}": (4 * w, 2 * w, 3, 3), f"model.{end + 3}": (2 * w, w, 3, 3)}
    convs |= {f"model.{end + 7}": (channels[1], w, 7, 7)}
    state = drawn(convs)
    return transposed(state, f"model.{end}", f"model.{end + 3}")


def conv(state: State, name: str, x: Tensor, pad: int, mode: str = "constant", stride: int = 1) -> Tensor:
    return F.conv2d(F.pad(x, (pad,) * 4, mode=mode), state[f"{name}.weight"], state[f"{name}.bias"], stride)


def blocks_of(state: State, x: Tensor, first: int, blocks: int) -> Tensor:
    for i in range(first, first + blocks):
        inner = instance(conv(state, f"model.{i}.conv_block.1", x, 1, "reflect")).relu()
        x = x + instance(conv(state, f"model.{i}.conv_block.5", inner, 1, "reflect"))
    return x


def resnet_forward(state: State, x: Tensor, blocks: int = 2) -> Tensor:
    end = 10 + blocks
    x = instance(conv(state, "model.1", x, 3, "reflect")).relu()
    for name in ("model.4", "model.7"):
        x = instance(conv(state, name, x, 1, stride=2)).relu()
    x = blocks_of(state, x, 10, blocks)
    for name in (f"model.{end}", f"model.{end + 3}"):
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        x = instance(F.conv_transpose2d(x, weight, bias, 2, 1, output_padding=1)).relu()
    return conv(state, f"model.{end + 7}", x, 3, "reflect").tanh()


def smooth_resnet(width: int = 4, blocks: int = 9) -> State:
    """CUT's: model.1, 4, 8, blocks 12 … 20, then 22, 26, 30; filters as buffers."""
    w, end = width, 12 + blocks
    convs: dict[str, tuple[int, ...]] = {"model.1": (w, 3, 7, 7)}
    convs |= {"model.4": (2 * w, w, 3, 3), "model.8": (4 * w, 2 * w, 3, 3)}
    convs |= {f"model.{12 + i}.conv_block.{j}": (4 * w, 4 * w, 3, 3) for i in range(blocks) for j in (1, 5)}
    convs |= {f"model.{end + 1}": (2 * w, 4 * w, 3, 3), f"model.{end + 5}": (w, 2 * w, 3, 3)}
    convs |= {f"model.{end + 9}": (3, w, 7, 7)}
    state = drawn(convs)
    return {**state, "model.7.filt": torch.ones(2 * w, 1, 3, 3), f"model.{end}.filt": torch.ones(4 * w, 1, 4, 4)}


def blurred(x: Tensor) -> Tensor:
    kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
    return torch.cat([F.conv2d(F.pad(one[:, None], (1,) * 4, mode="reflect"), kernel[None, None], None, 2)
                      for one in x.unbind(1)], 1)  # fmt: skip


def grown(x: Tensor) -> Tensor:
    row = torch.tensor([1.0, 3, 3, 1])
    kernel = (row[:, None] * row / 64 * 4)[None, None]
    each = [F.conv_transpose2d(F.pad(one[:, None], (1,) * 4, mode="replicate"), kernel, None, 2) for one in x.unbind(1)]
    return torch.cat(each, 1)[:, :, 3:-3, 3:-3]


def smooth_resnet_forward(state: State, x: Tensor, blocks: int = 9) -> Tensor:
    end = 12 + blocks
    x = instance(conv(state, "model.1", x, 3, "reflect")).relu()
    for name in ("model.4", "model.8"):
        x = blurred(instance(conv(state, name, x, 1)).relu())
    x = blocks_of(state, x, 12, blocks)
    for name in (f"model.{end + 1}", f"model.{end + 5}"):
        x = instance(conv(state, name, grown(x), 1)).relu()
    return conv(state, f"model.{end + 9}", x, 3, "reflect").tanh()


def unet(width: int = 4, levels: int = 3) -> State:
    """pix2pix's U-Net with batch norm: no biases but the outermost up's; norms are .2 and .6, innermost .4."""
    widths, generator = [width * min(2**i, 8) for i in range(levels)], torch.Generator().manual_seed(0)
    state: State = {}

    def weight(name: str, *shape: int) -> None:
        state[f"{name}.weight"] = torch.randn(shape, generator=generator) * 0.2

    def norm(name: str, channels: int) -> None:
        state[f"{name}.weight"], state[f"{name}.bias"] = 1 + 0.1 * torch.randn(channels), 0.1 * torch.randn(channels)
        state[f"{name}.running_mean"], state[f"{name}.running_var"] = torch.randn(channels), 1 + torch.rand(channels)
        state[f"{name}.num_batches_tracked"] = torch.tensor(3)

    weight("model.model.0", widths[0], 3, 4, 4)
    weight("model.model.3", 2 * widths[0], 3, 4, 4)
    state["model.model.3.bias"] = torch.randn(3)
    name = "model.model.1.model"
    for i, (outer, inner) in enumerate(pairwise(widths)):
        weight(f"{name}.1", inner, outer, 4, 4)
        if i < levels - 2:
            norm(f"{name}.2", inner)
            weight(f"{name}.5", 2 * inner, outer, 4, 4)
            norm(f"{name}.6", outer)
            name += ".3.model"
        else:
            weight(f"{name}.3", inner, outer, 4, 4)
            norm(f"{name}.4", outer)
    return state


def unet_forward(state: State, x: Tensor) -> Tensor:
    """Go through it level by level, in evaluation mode."""

    def norm(name: str, maps: Tensor) -> Tensor:
        mean, var, gain, bias = (state[f"{name}.{one}"] for one in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(maps, mean, var, gain, bias)

    def level(name: str, maps: Tensor) -> Tensor:
        down = F.conv2d(F.leaky_relu(maps, 0.2), state[f"{name}.1.weight"], None, 2, 1)
        if f"{name}.5.weight" in state:
            inner = level(f"{name}.3.model", norm(f"{name}.2", down))
            up = norm(f"{name}.6", F.conv_transpose2d(inner.relu(), state[f"{name}.5.weight"], None, 2, 1))
        else:
            up = norm(f"{name}.4", F.conv_transpose2d(down.relu(), state[f"{name}.3.weight"], None, 2, 1))
        return torch.cat([maps, up], 1)

    x = level("model.model.1.model", F.conv2d(x, state["model.model.0.weight"], None, 2, 1))
    return F.conv_transpose2d(x.relu(), state["model.model.3.weight"], state["model.model.3.bias"], 2, 1).tanh()


def patch(width: int = 4, in_channels: int = 3) -> State:
    """PatchGAN with instance norm: model.0, 2, 5, 8, 11."""
    sides = [in_channels, width, 2 * width, 4 * width, 8 * width, 1]
    return drawn({f"model.{at}": (sides[i + 1], sides[i], 4, 4) for i, at in enumerate((0, 2, 5, 8, 11))})


def munit_domain(seed: int, width: int = 4, channels: int = 3, *, styled: bool = True) -> State:
    """MUNIT's or UNIT's autoencoder of one domain, with the statistics that old files have."""
    w, start = width, "enc_content" if styled else "enc"
    convs: dict[str, tuple[int, ...]] = {f"{start}.model.0.conv": (w, channels, 7, 7)}
    convs |= {f"{start}.model.{i}.conv": (w * 2**i, w * 2 ** (i - 1), 4, 4) for i in (1, 2)}
    for part in (f"{start}.model.3", "dec.model.0"):
        convs |= {f"{part}.model.{i}.model.{j}.conv": (4 * w, 4 * w, 3, 3) for i in range(4) for j in (0, 1)}
    convs |= {"dec.model.2.conv": (2 * w, 4 * w, 5, 5), "dec.model.4.conv": (w, 2 * w, 5, 5)}
    convs |= {"dec.model.5.conv": (channels, w, 7, 7)}
    if styled:
        sides = [w, 2 * w, 4 * w, 4 * w, 4 * w]
        convs |= {"enc_style.model.0.conv": (w, channels, 7, 7), "enc_style.model.6": (8, 4 * w, 1, 1)}
        convs |= {f"enc_style.model.{i}.conv": (sides[i], sides[i - 1], 4, 4) for i in (1, 2, 3, 4)}
        convs |= {"mlp.model.0.fc": (12, 8), "mlp.model.1.fc": (12, 12), "mlp.model.2.fc": (64 * w, 12)}
    state = drawn(convs, seed)
    for i, channel in ((2, 2 * w), (4, w)):
        state |= {f"dec.model.{i}.norm.gamma": torch.rand(channel), f"dec.model.{i}.norm.beta": torch.randn(channel)}
    state[f"{start}.model.0.norm.running_mean"] = torch.zeros(w)
    if styled:
        state["dec.model.0.model.0.model.0.norm.running_var"] = torch.ones(4 * w)
    return state


def masked_resnet(width: int = 4, blocks: int = 2, channels: int = 3, level: str = "") -> State:
    """Mask CycleGAN's generator: the ResNet, and two 1×1 convolutions of [x⊙m, m] and [x⊙(1 − m), 1 − m]."""
    sides = {f"{name}_model{level}": (channels, 2 * channels, 1, 1) for name in ("mask", "context")}
    return {**resnet(width, blocks, (channels, channels)), **drawn(sides, seed=1)}


def masked_forward(state: State, x: Tensor, mask: Tensor, blocks: int = 2, level: str = "") -> Tensor:
    mask = torch.cat([mask] * x.shape[1], 1)
    inside = conv(state, f"mask_model{level}", torch.cat([x * mask, mask], 1), 0)
    around = conv(state, f"context_model{level}", torch.cat([x * (1 - mask), 1 - mask], 1), 0)
    return resnet_forward(state, inside, blocks) + around


def small_patch(width: int = 4) -> State:
    """Mask CycleGAN's small discriminator: model.0, 2, 5."""
    return drawn({"model.0": (width, 3, 4, 4), "model.2": (2 * width, width, 4, 4), "model.5": (1, 2 * width, 4, 4)})


def patch_forward(state: State, x: Tensor, convs: tuple[int, ...], strides: tuple[int, ...]) -> Tensor:
    """A PatchGAN's map of logits, instance norm on all but the first and the last."""
    for at, stride in zip(convs[:-1], strides, strict=True):
        x = conv(state, f"model.{at}", x, 1, stride=stride)
        x = F.leaky_relu(instance(x) if at else x, 0.2)
    return conv(state, f"model.{convs[-1]}", x, 1)


def multiscale(in_channels: int = 3) -> State:
    """MUNIT's discriminator of one domain, three scales of four layers."""
    sides = [in_channels, 4, 8, 16, 32]
    convs = {f"cnns.{s}.{i}.conv": (sides[i + 1], sides[i], 4, 4) for s in range(3) for i in range(4)}
    return drawn({**convs, **{f"cnns.{s}.4": (1, 32, 1, 1) for s in range(3)}})


def munit_translate(source: State, target: State, x: Tensor, style: Tensor, config: Config = RELEASED) -> Tensor:
    return munit_decode(target, munit_content(source, x, config=config), style, config)
