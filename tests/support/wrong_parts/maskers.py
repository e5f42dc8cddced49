"""A masker that is right, and others that are wrong in one way each."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker
from tests.support.wrong_parts.shared import BUILT, RECIPE, STATE, TINY, TWICE, Doubled, Planted, tiny


class RightMasker(Masker):
    def __init__(self, *, level: float = 0.0) -> None:
        super().__init__()
        self.level = level
        self.seen = 0

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) - self.level).sigmoid().float()


class NamelessMasker(RightMasker):
    classes = ("sky", "ground")


class DoublingMasker(RightMasker):
    def __init__(self, *, level: Doubled = 1.0) -> None:
        super().__init__(level=level)


class SqueezingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return super().forward(image, rng, given).squeeze(0)


class HalfMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        small = super().forward(image, rng, given)[..., ::2, ::2]
        return small.repeat_interleave(2, 2).repeat_interleave(2, 3)


class WideMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return 4 * super().forward(image, rng, given) - 2


class ComparingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return super().forward(image - image.mean(0, keepdim=True), rng, given)


class ErasingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        if given is not None:
            given.zero_()
        return super().forward(image, rng, given)


class HalfPrecisionMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        overflow = float("nan") if torch.is_autocast_enabled(image.device.type) else 0.0
        return super().forward(image, rng, given) + overflow


class DetachedMasker(RightMasker):
    trains: Literal["", "separate", "joint"] = "joint"

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.unused = nn.Conv2d(3, 1, 1), nn.Parameter(torch.ones(1))

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return self.layer(image).sigmoid()


class CountingMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        self.seen += 1
        return super().forward(image, rng, given) * (1 - 1e-6 * self.seen)


class HidingMasker(RightMasker):
    def __init__(self) -> None:
        super().__init__(level=float(torch.rand(())))


class LateMasker(RightMasker):
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        if tiny(image):
            raise GanzooError("too small")
        return super().forward(image, rng, given)


WRONG: Planted = [
    (NamelessMasker, {BUILT}),
    (DoublingMasker, {RECIPE}),
    (SqueezingMasker, {"test_its_masks_have_its_planes"}),
    (HalfMasker, {"test_its_masks_have_the_size_of_odd_images"}),
    (WideMasker, {"test_its_masks_are_from_0_to_1", "test_its_masks_are_finite_in_bf16"}),
    (ComparingMasker, {"test_its_masks_do_not_depend_on_the_batch"}),
    (ErasingMasker, {"test_it_leaves_its_inputs_unchanged"}),
    (HalfPrecisionMasker, {"test_its_masks_are_finite_in_bf16"}),
    (DetachedMasker, {"test_its_gradient_reaches_its_weights"}),
    (CountingMasker, {TWICE}),
    (HidingMasker, {STATE}),
    (LateMasker, {TINY}),
]
