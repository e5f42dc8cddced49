"""Distances are preserved: images that differ much have translations that differ much (DistanceGAN)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Loss, Method, Reader, Row, keyed
from ganzoo_losses.comparison import in_float, translation_domains

Between = Literal["halves", "samples"]
BATCH = 16
"""Number of images that are measured at once, an even one."""


class Distance(Loss):
    """Distances within images that translations keep: DistanceGAN (Benaim and Wolf 2017, eq. 6 and 7).

    The loss is |(d(x) − μ_A)/σ_A − (d(G(x)) − μ_B)/σ_B| with such a distance d.
    ``losses: {far: {loss: distance, of: {image: real_A, translation: fake_B}, weight: 0.5}}``. A distance is a mean
    absolute difference of pixels. μ and σ are the mean and deviation of each domain's distances, over some of its
    training images, as they are scaled and cropped for evaluation. For ``samples`` these are paired at random, as
    neighbours in a folder are often alike.

    Args:
        between: ``halves``: the left and the right half of each image (self-distance), which also works with one image
            a step; ``samples``: each two neighbours in the batch, the first and second, third and fourth, …, which
            needs an even number of images in each process.
        images: maximum number of images of each domain for μ and σ; they are spaced evenly.
    """

    def __init__(self, *, between: Between = "halves", images: Annotated[int, Field(ge=3)] = 256) -> None:
        super().__init__()
        self.between: Between = between
        self.images = images

    def bind(self, method: Method, reader: Reader) -> None:
        """Measure μ and σ of both domains.

        Raises GanzooError if ``translation`` is no translation of ``image``, for label maps, if the distances of a
        domain do not differ, and for ``samples`` if the images keep their sizes.
        """
        source, target = translation_domains("distance", method, self.of["translation"])
        if self.of["image"] != f"real_{source}":
            raise GanzooError(f"{self.of['translation']} is a translation of real_{source}, not of {self.of['image']}")
        if reader.dataset.classes:
            raise GanzooError("label maps have no distances")
        if self.between == "samples" and reader.images.fit == "none":
            raise GanzooError("images of different sizes have no distance: set images.fit, or between: halves")
        self.statistics = [self._statistics(reader, domain) for domain in (source, target)]

    def _statistics(self, reader: Reader, domain: str) -> tuple[float, float]:
        """Return the mean and deviation of the distances of a domain's training images."""
        total = reader.dataset.count("train", domain)
        count = min(self.images, total)
        chosen = [int(i) * total // count for i in keyed("distance", domain).permutation(count)]
        found = []
        for start in range(0, count, BATCH):
            rows = [Row(i, i, {domain: i}) for i in chosen[start : start + BATCH]]
            for batch in reader.evaluation_batches("train", rows):
                planes = torch.from_numpy(batch.planes[f"real_{domain}"]).permute(0, 3, 1, 2)
                even = len(planes) // 2 * 2 if self.between == "samples" else None
                found.append(distances(planes[:even].double() / 127.5 - 1, self.between))
        values = torch.cat(found)
        mean, deviation = float(values.mean()), float(values.std(correction=0)) if len(values) else 0.0
        if not deviation:
            raise GanzooError(f"the distances of {len(values)} training images of {domain} are all the same")
        return mean, deviation

    def forward(self, image: Tensor, translation: Tensor) -> Tensor:
        """Return the loss of images and translations (B, C, H, W), a mean over images or pairs: a scalar.

        Raises GanzooError for ``samples`` and an odd number of images.
        """
        if self.between == "samples" and len(image) % 2:
            raise GanzooError(
                f"distance: between: samples compares pairs, but a process has {len(image)} images a step: make "
                "train.batch even, or set between: halves"
            )
        scaled = [
            (distances(in_float(images), self.between) - mean) / deviation
            for images, (mean, deviation) in zip((image, translation), self.statistics, strict=True)
        ]
        return (scaled[0] - scaled[1]).abs().mean()


def distances(images: Tensor, between: Between) -> Tensor:
    """Return the mean absolute differences of the halves of images (B, C, H, W), (B,), or of neighbours, (B / 2,).

    The middle column of an odd width is in no half.
    """
    half = images.shape[3] // 2
    pair = (images[..., :half], images[..., -half:]) if between == "halves" else (images[::2], images[1::2])
    return (pair[0] - pair[1]).abs().mean((1, 2, 3))
