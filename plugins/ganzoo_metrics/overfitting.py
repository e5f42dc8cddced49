"""``overfitting``: whether a discriminator knows its training images better than other real images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step


class Overfitting(Metric):
    """How far a discriminator's logits of training images are from those of unseen real images of the domain.

    ``logit_gap`` = E[D(train)] − E[D(real)]; ``overfitting`` is its share of E[D(train)] − E[D(fake)], r_v of Karras et
    al. 2020, eq. 1: 0 if the discriminator judges unseen images like those of the training, 1 if it judges them like
    generated ones. It is 0 if the discriminator does not tell generated images from training images either. Real are
    the images of the evaluated split, as many as there are of the source domain. The discriminator sees whole images,
    without augmentation or noise, but masked if the role ``discriminator`` has a masker; D is the mean of its logits.
    """

    reference: Literal["", "measured", "train"] = "train"

    method: Method

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions into domains that have a discriminator. Raises GanzooError if there are none."""
        self.method = method
        self.directions = tuple(one for one in method.directions if self.slot(one[1]))
        if not self.directions:
            raise GanzooError("the metric 'overfitting' needs a discriminator of the images of one domain")

    def slot(self, domain: str) -> str:
        """Return the slot of the first discriminator that sees a domain's images alone; empty if there is none."""
        slots = self.method.slots.items()
        return next((name for name, one in slots if one.kind == "discriminator" and one.reads == (domain,)), "")

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the mean logit of each unseen real image and of each translation, (B,) each."""
        target = direction[1]
        names = {"real": f"real_{target}", "fake": self.method.translated(direction)}
        return {key: self.logits(step, name, target) for key, name in names.items()}

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the mean logit of each training image, (B,)."""
        return {"train": self.logits(step, f"real_{domain}", domain)}

    def logits(self, step: Step, name: str, domain: str) -> Tensor:
        """Return the mean logit, (B,), of the image ``name`` by a domain's discriminator in eval mode, in float32."""
        network = self.method.networks[self.slot(domain)]
        training = network.training
        network.eval()
        try:
            images = self.method.masks.for_discriminator(step, name)
            with torch.autocast(images.device.type, enabled=False):
                maps = network(images.float())
        finally:
            network.train(training)
        several = [maps] if isinstance(maps, Tensor) else maps
        return torch.stack([one.reshape(len(images), -1).mean(1) for one in several]).mean(0)

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return ``overfitting`` and ``logit_gap`` from the logits of all images."""
        train, unseen, fake = (float(one.double().mean()) for one in (real["train"], rows["real"], rows["fake"]))
        share = (train - unseen) / (train - fake) if train > fake else 0.0
        return {"overfitting": share, "logit_gap": train - unseen}
