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
    """The mean entropy of what a network makes of translations, of their sources, and of real images.

    Args:
        task: what the network does.
        model: its name in torchvision.
        weights: a file with its weights, or torchvision's own.
        classes: that the weights know; 0: as many as torchvision's own.
        real: where real images come from.
    """

    unit: ClassVar[str] = ""
    """What is counted, where it is not one an image."""

    def __init__(self, task: Task, model: str, weights: Path | None, classes: int, real: Real) -> None:
        self.name = f"entropy_{task}"
        self.pretrained = pretrained(self.name, task, model, weights, classes)
        self.reference = real
        source = self.pretrained.source
        self.cache_key = f"{self.name} {self.pretrained.label} {source.key}"
        self.sources = {"weights": source}
        self.about = {"network": self.pretrained.label, "weights": source.key}

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the domains that the network accepts. Raises GanzooError where the method translates into none."""
        self.directions = accepted_directions(self.name, method, reader)
        self.visible = accepted_domains(reader)

    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return (B, 2), entropies and how many there are, of translations.

        And of their sources, where those are known and the network accepts them.
        """
        found, source = {"fake": self.of(step[f"fake_{direction[1]}"])}, f"real_{direction[0]}"
        seen = source in step and direction[0] in self.visible
        return found | ({"source": self.of(step[source])} if seen else {})

    def reference_rows(self, step: Step, domain: str) -> dict[str, Tensor]:
        """Return the same of real images."""
        return {"real": self.of(step[f"real_{domain}"])}

    @torch.no_grad()
    def of(self, images: Tensor) -> Tensor:
        """Return the sum of each image's entropies, and how many there are, (B, 2)."""
        self.pretrained.network.to(images.device)
        with torch.autocast(images.device.type, enabled=False):
            return self.entropies(images)

    @abstractmethod
    def entropies(self, images: Tensor) -> Tensor:
        """Return (B, 2) of images (B, 1 or 3, H, W) in [−1, 1], as ``of``."""

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the means. Raises GanzooError where there is nothing to take the mean of."""
        found = {}
        for which, column in {**rows, **real}.items():
            total, count = column.double().sum(0).tolist()
            if not count:
                raise GanzooError(f"{self.name}: of {len(column)} images ({which}), none has {self.unit}")
            found[f"{self.name}_{which}"] = total / count
            if self.unit:
                found[f"{self.name}_{which}_{self.unit}"] = count / len(column)
        return found


class EntropyClassification(Entropy):
    """Mean entropy of a classifier's softmax, in nats: 0 where it is sure, ln K where all K classes are as likely.

    Less is nearer to what the classifier was trained on, photographs, which Tomei et al. (2019, table 3, with
    ResNet-152) take for realism: ``entropy_classification_fake`` of translations is to be read between that of their
    sources, ``_source``, and that of real images of their domain, ``_real``. By itself it is no quality: nothing is
    as sure as an image that fools the network.

    Images are scaled and cropped as torchvision does for the model's weights; those are of its first training, as the
    later ones are less sure by design.

    Args:
        model: a classifier of torchvision.
        weights: a file with its weights; without it torchvision's own are fetched.
        classes: that the weights know; 0: as many as torchvision's own.
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
        return once(entropy(self.pretrained.network(self.pretrained.prepare(images))))


class EntropySegmentation(Entropy):
    """Mean entropy of a segmenter's softmax over pixels and images, in nats; as ``entropy_classification``.

    Tomei et al. (2019, table 3) have another segmenter: compare within a table, not with theirs.

    Args:
        model: a segmenter of torchvision, which sees images scaled to 520 pixels.
        weights: a file with its weights; without it torchvision's own are fetched.
        classes: that the weights know; 0: as many as torchvision's own.
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
        return once(entropy(self.pretrained.network(self.pretrained.prepare(images))["out"]).mean((1, 2)))


class EntropyDetection(Entropy):
    """Mean entropy over boxes of a detector's softmax of a box, in nats; as ``entropy_classification``.

    Boxes are those that the detector reports, each once, for however many classes it is reported; ``no object`` counts
    as a class. ``entropy_detection_fake_boxes`` is their number an image. Tomei et al. (2019, table 3) have a detector
    trained on Visual Genome, with many more classes than torchvision's own, of COCO.

    Args:
        model: a Faster R-CNN of torchvision.
        weights: a file with its weights; without it torchvision's own are fetched.
        classes: that the weights know, with ``no object``; 0: as many as torchvision's own.
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
        found = []
        for image in self.pretrained.prepare(images):
            each = entropy(box_logits(self.pretrained.network, image, self.threshold))
            found.append(torch.stack([each.sum(), each.new_tensor(len(each))]))
        return torch.stack(found)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of the softmax over classes, in nats: (B, K, …) → (B, …).

    >>> entropy(torch.tensor([[1.0, 1.0], [999.0, 0.0]]))
    tensor([0.6931, 0.0000])
    """
    return torch.special.entr(logits.softmax(1)).sum(1)


def once(values: Tensor) -> Tensor:
    """Return values (B,) beside ones, (B, 2)."""
    return torch.stack([values, torch.ones_like(values)], 1)
