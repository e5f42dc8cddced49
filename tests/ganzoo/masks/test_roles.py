"""Roles of masks: what they make of label maps."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Masker
from ganzoo.masks.postprocess import MaskTransform
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step


class LabelMap(Masker):
    """A masker that returns a label map, as ``file`` does in the role ``labels``."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.arange(4).view(1, 1, 2, 2)


@pytest.mark.parametrize(
    "transform", [MaskTransform(invert=True), MaskTransform(threshold=0.5), MaskTransform(foreground=(0,))]
)
def test_a_label_map_is_not_changed_as_a_mask(transform: MaskTransform) -> None:
    def labels(chosen: MaskTransform) -> Tensor:
        step = Step({"real_A": torch.zeros(1, 3, 2, 2)}, seed=0, index=0, samples=[0])
        return Roles({"labels": LabelMap()}, {"labels": chosen}).mask("labels", step, "real_A")

    with pytest.raises(GanzooError, match="the role 'labels' got a label map"):
        labels(transform)
    assert torch.equal(labels(MaskTransform()), torch.arange(4).view(1, 1, 2, 2))
