"""A network that is right, and others that are wrong in one way each, as generators and as discriminators."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from tests.support.wrong_parts.shared import BUILT, ODD, RECIPE, STATE, TINY, TWICE, Doubled, Planted, tiny


class RightNetwork(nn.Module):
    """A generator; ``discriminators`` makes a discriminator of it."""

    def __init__(self, in_channels: int, out_channels: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.layer = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.gain = gain
        self.seen = 0

    def forward(self, images: Tensor) -> Any:
        return (self.gain * self.layer(images)).tanh()


class NoModule(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        self.layer = nn.Conv2d(in_channels, out_channels, 3)


class DoublingNetwork(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int, *, gain: Doubled = 1.0) -> None:
        super().__init__(in_channels, out_channels, gain=gain)


class SqueezingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        maps = super().forward(images)
        return maps.squeeze() if len(images) == 1 else maps


class ThreeChannels(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(3, 3 if out_channels > 1 else out_channels)


class HalfNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        if images.shape[-1] % 2:
            raise RuntimeError("sizes of tensors must match")
        return super().forward(images)


class WideNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        return 3 * super().forward(images)


class ComparingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        return super().forward(images - images.mean(0, keepdim=True))


class ScalingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        images.data.mul_(0.5)
        return super().forward(images)


class HalfPrecisionNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        overflow = float("nan") if torch.is_autocast_enabled(images.device.type) else 0.0
        return super().forward(images) + overflow


class UnusedNetwork(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels)
        self.unused = nn.Conv2d(3, 3, 1)


class CountingNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        self.seen += 1
        return super().forward(images) * (1 - 1e-6 * self.seen)


class HidingNetwork(RightNetwork):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__(in_channels, out_channels, gain=0.5 + float(torch.rand(())))


class LateNetwork(RightNetwork):
    def forward(self, images: Tensor) -> Any:
        if tiny(images):
            raise GanzooError("too small")
        return super().forward(images)


def discriminator_of(network: type[RightNetwork]) -> type[nn.Module]:
    """Return a class of discriminators that have the same mistake."""

    class Discriminator(network):  # type: ignore[misc, valid-type]
        def __init__(self, in_channels: int) -> None:
            super().__init__(in_channels, 1)

    Discriminator.__name__ = Discriminator.__qualname__ = network.__name__
    return Discriminator


class DoublingDiscriminator(RightNetwork):
    def __init__(self, in_channels: int, *, gain: Doubled = 1.0) -> None:
        super().__init__(in_channels, 1, gain=gain)


NETWORKS: list[tuple[type[RightNetwork], set[str]]] = [
    (NoModule, {BUILT}),
    (DoublingNetwork, {RECIPE}),
    (SqueezingNetwork, {"test_its_results_have_the_right_form"}),
    (HalfNetwork, {ODD}),
    (ComparingNetwork, {"test_its_results_do_not_depend_on_the_batch"}),
    (ScalingNetwork, {"test_it_leaves_its_input_unchanged"}),
    (HalfPrecisionNetwork, {"test_its_results_are_finite_in_bf16"}),
    (UnusedNetwork, {"test_its_gradient_reaches_input_and_weights"}),
    (CountingNetwork, {TWICE}),
    (HidingNetwork, {STATE}),
    (LateNetwork, {TINY}),
]
FIXED_CHANNELS: tuple[type[RightNetwork], set[str]] = (ThreeChannels, {"test_it_takes_any_number_of_channels"})
GENERATORS: Planted = [
    *NETWORKS,
    (ThreeChannels, {"test_it_has_any_number_of_channels"}),
    (WideNetwork, {"test_its_images_are_from_minus_1_to_1"}),
]
DISCRIMINATORS: Planted = [
    (DoublingDiscriminator if network is DoublingNetwork else discriminator_of(network), broken)
    for network, broken in (*NETWORKS, FIXED_CHANNELS)
]
RIGHT_DISCRIMINATOR = discriminator_of(RightNetwork)
