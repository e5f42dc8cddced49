"""Frozen features of images for ``projected``: a timm network's maps, mixed at random across channels and scales."""

from __future__ import annotations

import logging
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Source, one_line, torch_seed
from ganzoo.weights import require_timm_model
from ganzoo_maskers.pretrained import fetch_weights, mismatch_error, read_weights, timm_weights

STRIDES = [4, 8, 16, 32]
"""The strides of the maps that are used."""


class FrozenFeatures(nn.Module):
    """Maps of a frozen timm network, mixed by frozen random convolutions (Sauer et al. 2021, section 3.2).

    Cross-channel mixing: a 1×1 convolution of each map, to 1, 2, 4 and 8 times ``width`` channels from the largest map
    to the smallest. Cross-scale mixing: from the smallest map on, each one is enlarged to twice its size, changed by a
    3×3 convolution, and added to the next map. Whatever ``train`` is called with, it stays in eval mode. No weight of
    it is trained or in its state dict: ``source`` has their checksum.

    Args:
        in_channels: number of channels of the images.
        model: the name of a timm model.
        weights: a file of its weights; None: those that timm publishes.
        untrained: whether the network has random weights instead.
        width: number of channels of the largest mixed map.
        seed: the seed of what is random.

    Raises GanzooError for an unknown or unsuitable model, and missing or wrong weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, in_channels: int, model: str, weights: Path | None, *, untrained: bool, width: int, seed: int
    ) -> None:
        super().__init__()
        # A single channel is repeated, as the network saw grey images; timm adapts the first convolution to others.
        self.repeat = 3 if in_channels == 1 else 1
        channels = in_channels * self.repeat
        require_timm_model(model, "projected")
        file = None if untrained else weights or fetch_weights(timm_weights(model))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(torch_seed(seed, "projected", "network"))
            self.network = _make(model, channels, file)
            torch.manual_seed(torch_seed(seed, "projected", "mixing"))  # the same for any network and channels
            found = self.network.feature_info.channels()[-len(STRIDES) :]
            mixed = [width * 2**level for level in range(len(STRIDES))]
            self.channels = [width, *(after for after, _ in pairwise(mixed))]
            self.across_channels = nn.ModuleList(nn.Conv2d(a, b, 1) for a, b in zip(found, mixed, strict=True))
            self.across_scales = nn.ModuleList(
                nn.Conv2d(a, b, 3, padding=1) for a, b in zip(mixed, self.channels, strict=True)
            )
            for mixing in [*self.across_channels, *self.across_scales]:
                nn.init.kaiming_normal_(mixing.weight, nonlinearity="linear")
                nn.init.zeros_(mixing.bias)
        for name in ("mean", "std"):
            values = torch.tensor(self.network.pretrained_cfg[name]).repeat(-(-channels // 3))[:channels]
            self.register_buffer(name, values[:, None, None])
        leave_out_of_state(self)
        self.source = Source(file or Path(__file__), _checksum(self))
        self.train(False)

    def train(self, mode: bool = True) -> Self:
        """Stay in eval mode whatever ``mode`` is."""
        return super().train(False)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the mixed maps of images (B, in_channels, H, W) in [−1, 1]; the largest, (B, width, H/2, W/2), first.

        The least are (B, 4 · width, H/16, W/16).
        """
        images = (images.repeat(1, self.repeat, 1, 1) + 1) / 2
        maps = self.network((images - self.mean.to(images.dtype)) / self.std.to(images.dtype))[-len(STRIDES) :]
        maps = [mixing(one) for mixing, one in zip(self.across_channels, maps, strict=True)]
        sizes = [(2 * maps[0].shape[-2], 2 * maps[0].shape[-1]), *((one.shape[-2], one.shape[-1]) for one in maps[:-1])]
        results: list[Tensor] = []
        for mixing, one, size in reversed(list(zip(self.across_scales, maps, sizes, strict=True))):
            joined = one + results[-1] if results else one
            results.append(mixing(F.interpolate(joined, size, mode="bilinear", align_corners=False)))
        return results[::-1]


def leave_out_of_state(network: nn.Module) -> None:
    """Turn all weights and buffers of a network into buffers that are neither trained nor in its state dict."""
    for part in network.modules():
        for name, tensor in [*part.named_parameters(recurse=False), *part.named_buffers(recurse=False)]:
            delattr(part, name)
            part.register_buffer(name, tensor.detach(), persistent=False)
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            # Else it would expect its counter of batches in state dicts. Eval mode reads neither.
            part.track_running_stats = False


def _checksum(network: nn.Module) -> str:
    content = sha256()
    for name, tensor in network.named_buffers():
        content.update(name.encode() + tensor.cpu().contiguous().numpy().tobytes())
    return content.hexdigest()[:16]


def _make(model: str, in_channels: int, file: Path | None) -> Any:
    """Return the timm network with the weights of a file, or random ones. Raises GanzooError if it does not fit."""
    import timm

    try:
        network: Any = timm.create_model(model, features_only=True, in_chans=in_channels)
        strides = network.feature_info.reduction()
    except Exception as error:  # models refuse features_only in many ways
        raise GanzooError(f"projected: {model} does not give maps of several sizes: {one_line(error)[:120]}") from None
    if strides[-len(STRIDES) :] != STRIDES:
        raise GanzooError(
            f"projected: the maps of {model} have the strides {', '.join(map(str, strides))}, and those needed are "
            f"{', '.join(map(str, STRIDES))}: choose another model, such as tf_efficientnet_lite1 or resnet18"
        )
    if file is None:
        return network
    overlay = {"state_dict": read_weights(file)}
    log = logging.getLogger("timm.models._builder")
    level = log.level
    log.setLevel(logging.ERROR)  # it warns of the classifier's weights, which features do not have
    try:
        loaded: list[Any] = [
            timm.create_model(model, True, features_only=True, in_chans=in_channels, pretrained_cfg_overlay=overlay)
            for _ in range(2)
        ]
    except Exception as error:  # timm converts known layouts first, which fails in many ways
        raise mismatch_error(file, model, error) from None
    finally:
        log.setLevel(level)
    # For features timm ignores missing weights silently; they stay random, so two such networks differ in them.
    first, second = loaded[0].state_dict(), loaded[1].state_dict()
    missing = [name for name in first if not torch.equal(first[name], second[name])]
    if missing:
        raise GanzooError(f"{file}: weights of another architecture than {model}: it has no {missing[0]}")
    return loaded[0]
