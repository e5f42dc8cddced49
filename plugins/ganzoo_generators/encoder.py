"""A timm network as an encoder: maps of several sizes of images of any number of channels."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import one_line
from ganzoo.weights import needs_initial_weights, require_timm_model
from ganzoo_maskers.pretrained import drop_parts, fetch_weights, mismatch_error, read_weights, timm_weights


class Encoder(nn.Module):
    """The first layers of a timm network, up to its last map that is used (timm's ``features_only``).

    Args:
        model: the name of a timm network, with or without a tag of weights.
        in_channels: number of channels of the images. timm adapts pretrained weights of 3 channels to another number.
        weights: a file of weights of the whole network; None: timm's, downloaded once, or random weights.
        trained: whether the network begins with pretrained weights.
        levels: number of maps, from the largest on; 0: all that the network has.
        frozen: whether the weights never change, and norms use their running statistics in training, too.

    Raises GanzooError for a network that is unknown or has no suitable maps, and for missing or wrong weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self, model: str, in_channels: int, weights: Path | None, *, trained: bool, levels: int, frozen: bool
    ) -> None:
        super().__init__()
        self.frozen = frozen
        self.network = _create(model, in_channels, weights, trained, levels)
        self.channels_at_end = str(getattr(self.network, "output_fmt", "")).endswith("NHWC")
        self.strides = [int(one) for one in self.network.feature_info.reduction()]
        self.channels = [int(one) for one in self.network.feature_info.channels()]
        config: Any = self.network.pretrained_cfg
        for name in ("mean", "std"):
            values = torch.tensor(config[name], dtype=torch.float32)
            values = values if in_channels == len(values) else values.mean().expand(in_channels).clone()
            self.register_buffer(name, values[:, None, None], persistent=False)
        self.requires_grad_(not frozen).train(True)
        self._check(model, in_channels)

    def _check(self, model: str, in_channels: int) -> None:
        """Raise GanzooError unless each map is half as large as the one before, for images of any size."""
        known = "resnet18, convnext_tiny, efficientnet_b0"
        halved = all(2 * one == two for one, two in pairwise(self.strides))
        if not halved or self.strides[0] not in (1, 2, 4):
            raise GanzooError(
                f"timm_unet: the maps of {model} are 1/{', 1/'.join(map(str, self.strides))} of the image; a U-Net "
                f"needs maps that halve from one to the next: choose a network such as {known}"
            )
        height, width = 2 * self.strides[-1], 3 * self.strides[-1]
        expected = [(one, height // two, width // two) for one, two in zip(self.channels, self.strides, strict=True)]
        training = self.training
        try:
            with torch.no_grad():
                found = [tuple(one.shape[1:]) for one in self.eval()(torch.zeros(1, in_channels, height, width))]
        except Exception as error:  # timm's networks refuse sizes by many classes of errors
            raise GanzooError(
                f"timm_unet: {model} does not take images of any size ({one_line(error)[:120]}): choose a network such "
                f"as {known}"
            ) from None
        self.train(training)
        if found != expected:
            raise GanzooError(
                f"timm_unet: {model} makes maps {found} of an image of {height}×{width}, not {expected}: choose a "
                f"network such as {known}"
            )

    def train(self, mode: bool = True) -> Self:
        """Set the mode; a frozen encoder stays in evaluation mode."""
        return super().train(mode and not self.frozen)

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return maps (B, C, H/s, W/s) for each of ``strides``, of images (B, in_channels, H, W) in [−1, 1].

        H and W must be multiples of the largest stride.
        """
        precise = images.to(torch.promote_types(images.dtype, torch.float32))
        maps: list[Tensor] = self.network(((precise + 1) / 2 - self.mean) / self.std)
        return [one.permute(0, 3, 1, 2) for one in maps] if self.channels_at_end else maps


def _create(model: str, in_channels: int, weights: Path | None, pretrained: bool, levels: int) -> Any:
    """Return a timm network that computes maps, with random or pretrained weights."""
    import timm  # slow import: takes seconds
    from timm.models import get_pretrained_cfg

    require_timm_model(model, "timm_unet")
    if weights and not pretrained:
        raise GanzooError("timm_unet: weights are given, but pretrained is false: remove one of the two")
    loaded: dict[str, Any] = {"in_chans": in_channels}
    if pretrained and needs_initial_weights():
        file = weights or fetch_weights(timm_weights(model))
        config: Any = get_pretrained_cfg(model)
        classifiers = (config and config.classifier) or ()
        state = drop_parts(read_weights(file), [classifiers] if isinstance(classifiers, str) else classifiers)
        # num_classes must equal the network's: otherwise timm loads the weights that fit and ignores the rest silently.
        loaded |= {"pretrained": True, "pretrained_cfg_overlay": {"state_dict": state, "num_classes": 0}}
        try:  # the whole network first, as timm does not compare the weights of a part with their file
            timm.create_model(model, num_classes=0, **loaded)
        except Exception as error:  # timm converts known layouts first, which fails in many ways
            raise mismatch_error(file, model, error) from None
    try:
        network = _maps_of(model, loaded)
        several = len(network.feature_info.reduction())
        if 0 < levels < several:
            network = _maps_of(model, {**loaded, "out_indices": tuple(range(levels))})
    except (RuntimeError, AttributeError, TypeError) as error:
        reason = one_line(error)[:120]
        raise GanzooError(
            f"timm_unet: timm gives no maps of {model} ({reason}): choose a network such as resnet18"
        ) from None
    if levels > several:
        raise GanzooError(f"timm_unet: levels is {levels}, but {model} has {several} maps: set it to {several} at most")
    return network


def _maps_of(model: str, options: dict[str, Any]) -> Any:
    """Return a timm network that computes maps, of images of any size if it can."""
    import timm

    try:
        return timm.create_model(model, features_only=True, strict_img_size=False, **options)
    except TypeError:  # only some transformers have this option
        return timm.create_model(model, features_only=True, **options)
