"""A masker finds the same classes in a translation as in its source."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, Method, Reader, Step
from ganzoo_losses.comparison import in_float


class SegmentationConsistency(Loss):
    """The cross-entropy between a masker's masks of a translation and those of its source: what is where, stays there.

    Name the source's masks; the masker that computes them also computes those of the translation, with gradients:

    ``maskers: {labels: {masker: segmenter, classes: [person, dog], planes: per_class}}`` and
    ``losses: {scene: {loss: segmentation_consistency, of: {image: fake_B, masks: labels_mask_real_A}, weight: 1}}``.

    A plane of the source's masks counts as 1 where it is at least ½, else as 0. The semantic loss of joliGEN does the
    same with a segmenter (its f_s) that it trains on the labels of one domain along the way; here the masker is trained
    before, on images like both domains, and frozen. It must have probabilities: a mask of only 0 and 1 has no gradient.
    """

    full_precision = False

    def bind(self, method: Method, reader: Reader) -> None:
        """Find the masker.

        Raises GanzooError if ``masks`` names no masker's masks, or if they are not computed from the image.
        """
        name = self.of["masks"]
        self.role = next((role for role in method.masks.maskers if name.startswith(f"{role}_mask_")), "")
        if not self.role:
            raise GanzooError(
                f"'masks' must name the masks that one of the recipe's maskers computes, such as labels_mask_real_A, "
                f"not {name!r}"
            )
        if method.masks.needs(self.role) != ("image",):
            raise GanzooError(
                f"the masker in the role {self.role!r} does not compute its masks from the image alone, so a "
                "translation has the masks of its source anyway: use one that does, such as segmenter or unet"
            )
        self.method = method

    def forward(self, image: Tensor, masks: Tensor, step: Step) -> Tensor:
        """Return the binary cross-entropy, a mean over planes, pixels and images (B, C, H, W): a scalar.

        Raises GanzooError for label maps, and if no gradient flows from the masks of the image to it.
        """
        if not masks.is_floating_point():
            raise GanzooError("segmentation_consistency needs masks in [0, 1], not label maps")
        own = step.inputs()
        own[self.of["image"]] = image
        found = self.method.masks.mask(self.role, own, self.of["image"], gradient=True)
        if image.requires_grad and not found.requires_grad:
            raise GanzooError(
                f"segmentation_consistency: no gradient flows through the masker in the role {self.role!r}: set "
                "soft: true, if it has this option, and remove its threshold"
            )
        with torch.autocast(image.device.type, enabled=False):
            found = in_float(found)
            return F.binary_cross_entropy(found, (masks >= 0.5).to(found.dtype))
