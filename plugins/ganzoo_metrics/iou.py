"""``mask_iou``: overlap of a predicted and a provided mask, or of the masks of source and translation."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Roles, Step, evaluation_rows


class MaskIoU(Metric):
    """Intersection over union of two masks, each thresholded at ½, mean over images; 1 if both masks are empty.

    For a supervised method (direction AA), ``mask_iou`` compares the predicted mask with the data set's. Two baselines
    ignore the image: ``mask_iou_all_foreground``, of a mask that is 1 everywhere, and ``mask_iou_mean_mask``, of the
    mean of the training masks, thresholded at ½.

    For a translation (AB, BA), it compares the mask of the translation with the mask of its source, both from the
    masker in ``role``. It measures whether the subject stays in its place.

    Args:
        role: the role of the masker, for translations.
    """

    directions: tuple[Direction, ...] = ("AA", "AB", "BA")

    mean: Tensor

    def __init__(self, *, role: Literal["discriminator", "input", "composite"] = "discriminator") -> None:
        self.role = role

    def bind(self, method: Method, reader: Reader) -> None:
        """Store the method's maskers and the reader.

        Raises GanzooError if the method translates, and no masker in ``role`` uses the image.
        """
        self.masks, self.reader = method.masks, reader
        self.supervised = "AA" in method.directions
        if not self.supervised:
            _require_image_masker(self.role, method.masks)

    def prepare(self, seed: int) -> None:
        """Compute the mean of the training masks, if the method is supervised.

        Raises GanzooError if training images have no masks.
        """
        if self.supervised:
            self.mean = mean_mask(self.reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the values of each image, (B,) each, by name.

        Raises GanzooError if a supervised method predicts no mask, or the data set has none of the measured images.
        """
        source = direction[0]
        provided = step.get(f"given_mask_{source}")
        if direction != "AA":
            names = (f"fake_{direction[1]}", f"real_{source}")
            return {"mask_iou": iou(*(self.masks.mask(self.role, step, name) for name in names))}
        for name in ("mask_A", "given_mask_A"):
            if name not in step:
                missing = "the method does not make" if name == "mask_A" else "the data set does not provide"
                raise GanzooError(f"mask_iou: it needs {name!r}, which {missing}: remove the metric")
        assert provided is not None
        return {
            "mask_iou": iou(step["mask_A"], provided),
            "mask_iou_all_foreground": iou(torch.ones_like(provided), provided),
            "mask_iou_mean_mask": iou(self.mean.to(provided.device).expand_as(provided), provided),
        }


def mean_mask(reader: Reader) -> Tensor:
    """Return the mean of all training masks of A, scaled and cropped like the measured images: (1, 1, H, W) in [0, 1].

    Raises GanzooError if a training image has no mask, or if there are no training images.
    """
    compared = "evaluate.metrics: mask_iou compares with the mean of the training masks"
    rows = evaluation_rows({"A": reader.dataset.count("train", "A")})
    if not rows:
        raise GanzooError(f"{compared}, and the data set has no training images of A: add some, or remove it")
    total = np.zeros(())
    for start in range(0, len(rows), 64):
        planes = reader.evaluation_batch("train", rows[start : start + 64]).planes
        if "given_mask_A" not in planes:
            raise GanzooError(f"{compared}, and training images of the data set have none: add masks, or remove it")
        total = total + planes["given_mask_A"].sum(0, dtype=np.float64)
    return torch.from_numpy(total / (255 * len(rows)))[None, None].float()


def iou(one: Tensor, other: Tensor) -> Tensor:
    """Return |one ∩ other| / |one ∪ other| of masks (B, 1, H, W) in [0, 1] thresholded at ½: (B,), 1 if both are empty.

    >>> iou(torch.tensor([[[[1.0, 1.0, 0.0]]]]), torch.tensor([[[[0.0, 0.5, 0.4]]]]))
    tensor([0.5000])
    """
    a, b = one >= 0.5, other >= 0.5
    both, either = (pixels.sum(dim=(1, 2, 3)) for pixels in (a & b, a | b))
    return torch.where(either > 0, both / either.clamp(min=1), 1.0)


def _require_image_masker(role: str, masks: Roles) -> None:
    if role not in masks:
        roles = ", ".join(masks.maskers) or "none"
        raise GanzooError(
            f"mask_iou: the recipe has no masker in the role {role!r}, whose masks it compares; roles with "
            f"maskers: {roles}"
        )
    if "image" not in masks.needs(role):
        raise GanzooError(
            f"mask_iou: maskers.{role} does not use the image, so a mask would be compared with itself: "
            "choose a role whose masker uses the image"
        )
