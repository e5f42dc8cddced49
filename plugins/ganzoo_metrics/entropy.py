"""Entropy of networks' predictions on translations (Tomei et al. 2019, table 3)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Step
from ganzoo_metrics.detection import box_logits
from ganzoo_metrics.directions import accepted_directions, accepted_domains
from ganzoo_metrics.networks import Task, pretrained

Classes = Annotated[int, Field(ge=0)]
Real = Literal["measured", "train"]


class Entropy(Metric):
    """The mean entropy of a network's predictions on translations, on their sources and on real images.

    Args:
        task: the network's task: ``classification``, ``segmentation`` or ``detection``.
        model: its name in torchvision.
        weights: a file with its weights; None: torchvision's weights.
        classes: number of classes of the weights; 0: as many as torchvision's.
        real: ``measured`` or ``train``: the split that real images come from.
    """

    unit: ClassVar[str] = ""
    """Name of what is averaged over, if it is not images."""

    def __init__(self, task: Task, model: str, weights: Path | None, classes: int, real: Real) -> None:
        self.name = f"entropy_{task}"
        self.pretrained = pretrained(self.name, task, model, weights, classes)
        self.reference = real
        source = self.pretrained.source
        self.cache_key = f"{self.name} {self.pretrained.label} {source.key}"
        self.sources = {"weights": source}
        self.about = {"network": self.pretrained.label, "weights": source.key}

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the domains that the network accepts. Raises GanzooError when the method translates into none."""
        self.directions = accepted_directions(self.name, method, reader)
        self.accepted = accepted_domains(reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return sums of entropies and their counts, (B, 2), of translations.

        Includes the sources if they are known and the network accepts them.
        """
        rows, source = {"fake": self.measure(step[f"fake_{direction[1]}"])}, f"real_{direction[0]}"
        if source in step and direction[0] in self.accepted:
            rows["source"] = self.measure(step[source])
        return rows

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the same for real images."""
        return {"real": self.measure(step[f"real_{domain}"])}

    @torch.no_grad()
    def measure(self, images: Tensor) -> Tensor:
        """Return the sum of each image's entropies and their count, (B, 2), float32."""
        self.pretrained.network.to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            return self.entropies(images)

    @abstractmethod
    def entropies(self, images: Tensor) -> Tensor:
        """Return the same as ``measure``, with autocast off, for images (B, 1 or 3, H, W) in [−1, 1]."""

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the means. Raises GanzooError when there is nothing to average."""
        values = {}
        for which, column in {**rows, **real}.items():
            total, count = column.double().sum(0).tolist()
            if not count:
                raise GanzooError(
                    f"{self.name}: of {len(column)} images ({which}), none has {self.unit}: "
                    "lower the threshold, or remove the metric"
                )
            values[f"{self.name}_{which}"] = total / count
            if self.unit:
                values[f"{self.name}_{which}_{self.unit}"] = count / len(column)
        return values


class EntropyClassification(Entropy):
    """Mean entropy of a classifier's softmax, in nats: 0 when certain, ln K when all K classes are equally likely.

    A lower value means that images are closer to the classifier's training data, photographs; Tomei et al. (2019,
    table 3, with ResNet-152) use it as a measure of realism. Compare ``entropy_classification_fake``, of translations,
    with ``_source``, of their sources, and ``_real``, of real images of the target domain. By itself it does not
    measure quality: an image that fools the network has a low entropy too.

    Images are scaled and cropped as torchvision does for the model's weights. The default is the first published
    weights, because later ones are less certain by design.

    Args:
        model: a classifier of torchvision.
        weights: a file with its weights; by default torchvision's weights are downloaded.
        classes: number of classes of the weights; 0: as many as torchvision's.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(
        self,
        *,
        model: str = "resnet152",
        weights: Path | None = None,
        classes: Classes = 0,
        real: Real = "measured",
    ) -> None:
        super().__init__("classification", model, weights, classes, real)

    def entropies(self, images: Tensor) -> Tensor:
        """Return one entropy for each image."""
        return with_counts(entropy(self.pretrained.network(self.pretrained.prepare(images))))


class EntropySegmentation(Entropy):
    """Mean entropy of a segmenter's softmax over pixels and images, in nats; as ``entropy_classification``.

    Tomei et al. (2019, table 3) use another segmenter: do not compare with the values in that table.

    Args:
        model: a segmenter of torchvision; images are scaled to 520 pixels.
        weights: a file with its weights; by default torchvision's weights are downloaded.
        classes: number of classes of the weights; 0: as many as torchvision's.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    def __init__(
        self,
        *,
        model: str = "deeplabv3_resnet101",
        weights: Path | None = None,
        classes: Classes = 0,
        real: Real = "measured",
    ) -> None:
        super().__init__("segmentation", model, weights, classes, real)

    def entropies(self, images: Tensor) -> Tensor:
        """Return each image's mean over pixels."""
        return with_counts(entropy(self.pretrained.network(self.pretrained.prepare(images))["out"]).mean((1, 2)))


class EntropyDetection(Entropy):
    """Mean entropy of a detector's class softmax over all boxes, in nats; as ``entropy_classification``.

    A box that the detector reports for several classes counts once; ``no object`` counts as a class.
    ``entropy_detection_fake_boxes`` is the number of boxes per image. Tomei et al. (2019, table 3) use a detector
    trained on Visual Genome, which has many more classes than torchvision's COCO weights.

    Args:
        model: a Faster R-CNN of torchvision.
        weights: a file with its weights; by default torchvision's weights are downloaded.
        classes: number of classes of the weights, including ``no object``; 0: as many as torchvision's.
        threshold: probability of a class above which a box is reported.
        real: ``measured``: the real images of the split that is measured; ``train``: the training images.
    """

    unit = "boxes"

    def __init__(
        self,
        *,
        model: str = "fasterrcnn_resnet50_fpn",
        weights: Path | None = None,
        classes: Classes = 0,
        threshold: Annotated[float, Field(ge=0, lt=1)] = 0.05,
        real: Real = "measured",
    ) -> None:
        super().__init__("detection", model, weights, classes, real)
        self.cache_key += f" {threshold}"
        self.threshold = threshold

    def entropies(self, images: Tensor) -> Tensor:
        """Return each image's sum over boxes, and their number."""
        rows = []
        for image in self.pretrained.prepare(images):
            each = entropy(box_logits(self.pretrained.network, image, self.threshold))
            rows.append(torch.stack([each.sum(), each.new_tensor(len(each))]))
        return torch.stack(rows)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of the softmax over classes, in nats: (B, K, …) → (B, …).

    >>> entropy(torch.tensor([[1.0, 1.0], [999.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    return torch.special.entr(logits.softmax(1)).sum(1)


def with_counts(values: Tensor) -> Tensor:
    """Return values (B,) with the count 1 each: (B, 2)."""
    return torch.stack([values, torch.ones_like(values)], 1)
