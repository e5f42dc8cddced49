"""The inputs of a loss are the parameters of its ``forward``."""

from __future__ import annotations

import pytest
from torch import Tensor

from ganzoo.interfaces import Loss, Step


class Plain(Loss):
    def forward(self, image: Tensor, step: Step, target: Tensor) -> Tensor:
        return (image - target).mean()


class Static(Loss):
    @staticmethod
    def forward(image: Tensor, step: Step, target: Tensor) -> Tensor:
        return (image - target).mean()


class OfTheClass(Loss):
    @classmethod
    def forward(cls, image: Tensor, step: Step, target: Tensor) -> Tensor:
        return (image - target).mean()


@pytest.mark.parametrize("loss", [Plain, Static, OfTheClass])
def test_all_parameters_but_the_loss_and_the_step_are_inputs(loss: type[Loss]) -> None:
    assert list(loss.inputs()) == ["image", "target"]
    assert loss.reads_step()
