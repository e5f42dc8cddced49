"""A loss that is right, and others that are wrong in one way each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, Step
from tests.support.wrong_parts.shared import BUILT, ODD, RECIPE, STATE, TINY, TWICE, Doubled, Planted, tiny


class RightLoss(Loss):
    def __init__(self, *, strength: float = 1.0) -> None:
        super().__init__()
        self.strength = strength
        self.seen = 0

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return self.strength * (image - target).abs().mean()


class MaskLoss(Loss):
    """It reads a mask alone, as one that a masker learns: its gradient is finite and not 0."""

    def forward(self, mask: Tensor) -> Tensor:
        return (mask * (1 - mask)).mean()


class StaticLoss(Loss):
    """Its function needs nothing of the loss."""

    @staticmethod
    def forward(image: Tensor, target: Tensor) -> Tensor:
        return (image - target).abs().mean()


class StepLoss(Loss):
    """It reads the step alone."""

    def forward(self, step: Step) -> Tensor:
        return step["real_A"].abs().mean()


class StepSumLoss(StepLoss):
    def forward(self, step: Step) -> Tensor:
        return super().forward(step) * len(step["real_A"])


class NoLoss(nn.Module):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return (image - target).abs().mean()


class DoublingLoss(RightLoss):
    def __init__(self, *, strength: Doubled = 1.0) -> None:
        super().__init__(strength=strength)


class SpreadLoss(RightLoss):
    """Not finite for a batch of one: it divides by the spread over the batch."""

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return super().forward(image, target) + 0 / (len(image) - 1 or float("nan"))


class EvenLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        if image.shape[-1] % 2:
            raise GanzooError("the width must be even")
        return super().forward(image, target)


class SumLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return super().forward(image, target) * len(image)


class FlatLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return super().forward(image, target).detach() + 0 * image.sum()


class RootLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return ((image - target) ** 2).flatten(1).sum(1).sqrt().mean()


class ClampingLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        image.data.clamp_(-0.5, 0.5)
        return super().forward(image, target)


class CountingLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        self.seen += 1
        return super().forward(image, target) * (1 + 1e-5 * self.seen)


class HidingLoss(RightLoss):
    def __init__(self) -> None:
        super().__init__(strength=float(torch.rand(())))


class LateLoss(RightLoss):
    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        if tiny(image):
            raise GanzooError("too small")
        return super().forward(image, target)


class CpuLoss(RightLoss):
    def __init__(self) -> None:
        super().__init__()
        self.factor = torch.ones(3, 1, 1)

    def forward(self, image: Tensor, target: Tensor) -> Tensor:
        return (self.factor * (image - target)).abs().mean()


WRONG: Planted = [
    (NoLoss, {BUILT, RECIPE, TINY}),
    (DoublingLoss, {RECIPE}),
    (SpreadLoss, {"test_it_returns_a_finite_float32_scalar", "test_it_is_a_mean_over_samples"}),
    (EvenLoss, {ODD}),
    (SumLoss, {"test_it_is_a_mean_over_samples"}),
    (StepSumLoss, {"test_it_is_a_mean_over_samples"}),
    (FlatLoss, {"test_its_gradient_reaches_a_generated_image"}),
    (RootLoss, {"test_its_gradient_is_finite_for_equal_images"}),
    (ClampingLoss, {"test_it_leaves_its_inputs_unchanged"}),
    (CountingLoss, {TWICE}),
    (HidingLoss, {STATE}),
    (LateLoss, {TINY}),
]
