"""``mask_iou``: how well two masks agree, learned and provided ones, or those of source and translation."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Roles, Step, evaluation_rows


class MaskIoU(Metric):
    """Intersection over union of two masks, each cut at ½, mean over images; two empty ones agree fully.

    Of a supervised method (AA): ``mask_iou`` of the mask that it makes and the given one, and what two that do not look
    would reach: ``mask_iou_all_foreground``, and ``mask_iou_mean_mask``, the mean of the training masks, cut at ½.

    Of a translation (AB, BA): whether the subject stays where it was: what a role's masker makes of the translated
    image against what it makes of the source.

    Args:
        role: of translations, whose masker looks.
    """

    directions: tuple[Direction, ...] = ("AA", "AB", "BA")

    mean: Tensor

    def __init__(self, *, role: Literal["discriminator", "input", "composite"] = "discriminator") -> None:
        self.role = role

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep where masks come from. Raises GanzooError when a method that translates has no masker that looks."""
        self.masks, self.reader = method.masks, reader
        self.supervised = "AA" in method.directions
        if not self.supervised:
            _refuse_blind(self.role, method.masks)

    def prepare(self, seed: int) -> None:
        """Take the mean of the training masks."""
        if self.supervised:
            self.mean = mean_mask(self.reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the images' values, (B,) each."""
        source = direction[0]
        given = step.get(f"given_mask_{source}")
        if direction != "AA":
            names = (f"fake_{direction[1]}", f"real_{source}")
            return {"mask_iou": iou(*(self.masks.mask(self.role, step, name) for name in names))}
        for name in ("mask_A", "given_mask_A"):
            if name not in step:
                whose = "the method makes" if name == "mask_A" else "the data set gives with the images measured"
                raise GanzooError(f"mask_iou: it reads {name!r}, which is not among what {whose}")
        assert given is not None
        return {
            "mask_iou": iou(step["mask_A"], given),
            "mask_iou_all_foreground": iou(torch.ones_like(given), given),
            "mask_iou_mean_mask": iou(self.mean.to(given.device).expand_as(given), given),
        }


def mean_mask(reader: Reader) -> Tensor:
    """Return the mean of all training masks, scaled and cropped as what is measured: (1, 1, H, W) in [0, 1].

    Raises GanzooError when a training image has no mask.
    """
    rows = evaluation_rows({"A": reader.dataset.count("train", "A")})
    total = np.zeros(())
    for start in range(0, len(rows), 64):
        planes = reader.evaluation_batch("train", rows[start : start + 64]).planes
        if "given_mask_A" not in planes:
            raise GanzooError(
                "evaluate.metrics: mask_iou compares with the mean of the training masks, and training images of the "
                "data set have none: give them masks, or take the metric out"
            )
        total = total + planes["given_mask_A"].sum(0, dtype=np.float64)
    return torch.from_numpy(total / (255 * len(rows)))[None, None].float()


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Return |one ∩ other| / |one ∪ other| of masks (B, 1, H, W) in [0, 1], cut at ½: (B,), 1 where both are empty.

    >>> iou(torch.tensor([[[[1.0, 1.0, 0.0]]]]), torch.tensor([[[[0.0, 0.5, 0.4]]]]))
    tensor([0.5000])
    """
    a, b = one >= 0.5, other >= 0.5
    both, either = (found.sum(dim=(1, 2, 3)) for found in (a & b, a | b))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def _refuse_blind(role: str, masks: Roles) -> None:
    if role not in masks:
        there = ", ".join(masks.maskers) or "none"
        raise GanzooError(
            f"mask_iou: the recipe has no masker in the role {role!r}, whose masks it compares; there are: {there}"
        )
    if "image" not in masks.needs(role):
        raise GanzooError(
            f"mask_iou: maskers.{role} does not look at the image, so that a mask would be compared with itself: "
            "take a role whose masker does"
        )
