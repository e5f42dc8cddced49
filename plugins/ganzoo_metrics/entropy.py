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
    """Base class: the mean entropy of a network's predictions on translations, on their sources and on real images.

    Args:
        task: the network's task: ``classification``, ``segmentation`` or ``detection``.
        model: its name in torchvision.
        weights: a file with its weights; None: torchvision's weights.
        classes: the number of classes of the weights; 0: as many as torchvision's.
        real: the split that real images come from: ``measured``, the one that is measured, or ``train``.
    """

    unit: ClassVar[str] = ""
    """Name of the things whose entropies are averaged, such as ``boxes``; empty for images."""
    bootstrap = True

    def __init__(self, task: Task, model: str, weights: Path | None, classes: int, real: Real) -> None:
        self.name = f"entropy_{task}"
        self.pretrained = pretrained(self.name, task, model, weights, classes)
        self.reference = real
        source = self.pretrained.source
        self.cache_key = f"{self.name} {self.pretrained.label} {source.key}"
        self.sources = {"weights": source}
        self.about = {"network": self.pretrained.label, "weights": source.key}

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions and domains with images of 1 or 3 channels.

        Raises GanzooError if the method does not translate into such images.
        """
        self.directions = accepted_directions(self.name, method, reader)
        self.accepted = accepted_domains(reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each translation's sum of entropies and their count, (B, 2), under ``fake``.

        The same of its source is under ``source``, if the step has the sources and they have 1 or 3 channels.
        """
        rows, source = {"fake": self.measure(step[f"fake_{direction[1]}"])}, f"real_{direction[0]}"
        if source in step and direction[0] in self.accepted:
            rows["source"] = self.measure(step[source])
        return rows

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the sum of entropies and their count of each real image, (B, 2), under ``real``."""
        return {"real": self.measure(step[f"real_{domain}"])}

    @torch.no_grad()
    def measure(self, images: Tensor) -> Tensor:
        """Return the sum of each image's entropies and their count, (B, 2), float32."""
        self.pretrained.network.to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            return self.entropies(images)

    @abstractmethod
    def entropies(self, images: Tensor) -> Tensor:
        """Return the sum of each image's entropies and their count, (B, 2), for images (B, 1 or 3, H, W) in [−1, 1].

        ``measure`` calls it with autocast off.
        """

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the mean entropies ``{name}_fake``, ``{name}_real`` and, if sources were measured, ``{name}_source``.

        With a ``unit``, also return its number per image, such as ``{name}_fake_boxes``. Raises GanzooError if one of
        them has nothing to average.
        """
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
    """Mean entropy of a classifier's softmax, in nats: 0 if it is certain, ln K if all K classes are equally likely.

    A lower value means that images are closer to the classifier's training data, photographs; Tomei et al.
    (2019, table 3, with ResNet-152) use it as a measure of realism. Compare ``entropy_classification_fake``, of
    translations, with ``entropy_classification_source``, of their sources, and ``entropy_classification_real``, of real
    images of the target domain. By itself it does not measure quality: an image that fools the network has a low
    entropy too.

    Images are scaled and cropped as torchvision does for the model's weights. The default is the first published
    weights, because later ones are less certain by design.

    Args:
        model: a classifier of torchvision.
        weights: a file with its weights; by default torchvision's weights are downloaded once.
        classes: the number of classes of the weights; 0: as many as torchvision's.
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
        """Return the entropy of each image and the count 1, (B, 2)."""
        return with_counts(entropy(self.pretrained.network(self.pretrained.prepare(images))))


class EntropySegmentation(Entropy):
    """Mean entropy of a segmenter's softmax over pixels and images, in nats; use it like ``entropy_classification``.

    Tomei et al. (2019, table 3) use another segmenter: do not compare with the values in that table.

    Args:
        model: a segmenter of torchvision; the shorter side of images is scaled to 520 pixels.
        weights: a file with its weights; by default torchvision's weights are downloaded once.
        classes: the number of classes of the weights; 0: as many as torchvision's.
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
        """Return the mean entropy of each image's pixels and the count 1, (B, 2)."""
        return with_counts(entropy(self.pretrained.network(self.pretrained.prepare(images))["out"]).mean((1, 2)))


class EntropyDetection(Entropy):
    """Mean entropy of a detector's class softmax over all boxes, in nats; use it like ``entropy_classification``.

    A box that the detector reports for several classes counts once; ``no object`` counts as a class.
    ``entropy_detection_fake_boxes`` is the number of boxes per translated image. Tomei et al. (2019, table 3) use a
    detector trained on Visual Genome, which has many more classes than torchvision's COCO weights.

    Args:
        model: a Faster R-CNN of torchvision.
        weights: a file with its weights; by default torchvision's weights are downloaded once.
        classes: the number of classes of the weights, including ``no object``; 0: as many as torchvision's.
        threshold: the probability of a class above which a box is reported.
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
        """Return the sum of the entropies of each image's boxes, and the number of boxes, (B, 2)."""
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
    """Return values (B,), each with the count 1: (B, 2)."""
    return torch.stack([values, torch.ones_like(values)], 1)
