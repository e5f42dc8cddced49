"""``overfitting``: whether a discriminator knows its training images better than other real images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step, evaluation_rows

BATCH = 16


class Overfitting(Metric):
    """How far a discriminator's logits of training images are from those of unseen real images of the domain.

    ``logit_gap`` = E[D(train)] − E[D(real)]; ``overfitting`` is its share of E[D(train)] − E[D(fake)], r_v of Karras et
    al. 2020, eq. 1, limited to 0 … 1: 0 if the discriminator rates unseen images as those of the training, 1 if it
    rates them as generated ones. It is also 0 if the discriminator does not distinguish generated images from training
    images. Real images are those of the evaluated split, as many as there are of the source domain; of the training
    images as many are used as there are real ones. The discriminator sees whole images, without augmentation or noise,
    but masked if the role ``discriminator`` has a masker; D is the mean of its logits. So values of a discriminator
    with a branch for each domain, as StarGAN v2's, say nothing.
    """

    method: Method
    reader: Reader
    bootstrap = False  # the training images, which are not drawn, would be read for each draw

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions into domains of images that have a discriminator. Raises GanzooError without any."""
        self.method, self.reader = method, reader
        known = [one for one in reader.dataset.channels if one not in reader.dataset.classes and self.slot(one)]
        self.directions = tuple(one for one in method.directions if one[1] in known)
        if not self.directions:
            raise GanzooError(
                "evaluate.metrics: overfitting needs a discriminator that sees images of one domain alone, and the "
                "method has none: remove the metric, or choose another method, such as cyclegan"
            )

    def slot(self, domain: str) -> str:
        """Return the slot of the first discriminator that sees a domain's images alone; empty if there is none."""
        slots = self.method.slots.items()
        return next((name for name, one in slots if one.kind == "discriminator" and one.reads == (domain,)), "")

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the mean logit of each unseen real image and of each translation, (B,) each."""
        domain = direction[1]
        names = {f"real_{domain}": f"real_{domain}", f"fake_{domain}": self.method.translated(direction)}
        return {key: self.logits(step, name, domain) for key, name in names.items()}

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return ``overfitting`` and ``logit_gap`` from the logits of all images; read the training images."""
        domain = next(iter(rows))[-1]
        seen = self.training_logits(domain, len(rows[f"real_{domain}"]))
        columns = (seen, rows[f"real_{domain}"], rows[f"fake_{domain}"])
        train, unseen, fake = (float(one.double().mean()) for one in columns)
        share = (train - unseen) / (train - fake) if train > fake else 0.0
        return {"overfitting": min(max(share, 0.0), 1.0), "logit_gap": train - unseen}

    @torch.no_grad()
    def training_logits(self, domain: str, limit: int) -> Tensor:
        """Return the mean logit of each of a domain's first ``limit`` training images, (N,)."""
        every = evaluation_rows({domain: self.reader.dataset.count("train", domain)}, limit)
        device = next(self.method.networks[self.slot(domain)].parameters()).device
        logits = []
        for start in range(0, len(every), BATCH):
            for batch in self.reader.evaluation_batches("train", every[start : start + BATCH]):
                planes = {name: torch.from_numpy(plane).to(device) for name, plane in batch.planes.items()}
                tensors = {f"real_{domain}": planes[f"real_{domain}"].permute(0, 3, 1, 2).float() / 127.5 - 1}
                if (mask := planes.get(f"given_mask_{domain}")) is not None:
                    tensors[f"given_mask_{domain}"] = mask[:, None].float() / 255
                step = Step(tensors, index=-1, samples=[row.sample for row in batch.rows], training=False)
                logits.append(self.logits(step, f"real_{domain}", domain))
        return torch.cat(logits)

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
