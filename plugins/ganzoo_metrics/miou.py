"""``miou``: whether a segmenter finds the classes of a label map in the image translated from it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Roles, Step
from ganzoo_metrics.confusion import confusion, scores
from ganzoo_metrics.directions import accepted_domains
from ganzoo_metrics.networks import pretrained


class MeanIoU(Metric):
    """The FCN score (Isola et al. 2017; Zhu et al. 2017) of translations: more is better, 1 the most.

    A segmenter looks at the translation, and what it finds is compared with the labels of the source: those that the
    source is made of, or those that the data set gives beside its images. ``pixel_accuracy`` is the share of pixels
    whose class is found; ``class_accuracy`` its mean over the classes that the labels have; ``miou`` the mean, over the
    classes that the labels or the segmenter have, of intersection over union. Pixels are counted over all images
    before anything is divided.

    A translation *into* label maps is compared with the true pair, where the data knows it, and needs no segmenter.
    What a segmenter misses in real images, too, bounds the values: they compare for one segmenter only.

    Args:
        model: a segmenter of torchvision; without one the recipe's masker in the role ``labels`` looks.
        weights: a file with the model's weights; without it torchvision's own are fetched.
        classes: that the weights know, those of the labels; 0: as many as torchvision's own, 21.
        ignore: classes of the labels that do not count, such as 255 where it stands for no class.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        weights: Path | None = None,
        classes: Annotated[int, Field(ge=0)] = 0,
        ignore: tuple[Annotated[int, Field(ge=0, le=255)], ...] = (),
    ) -> None:
        if model is None and (weights or classes):
            raise GanzooError(
                "miou: weights and classes are a model's, and none is named; give model, or leave them out"
            )
        self.network = pretrained("miou", "segmentation", model, weights, classes) if model else None
        self.known = 0
        if self.network:
            self.known = self.network.classes
            self.sources = {"weights": self.network.source}
            self.about = {"network": self.network.label, "weights": self.network.source.key}
        self.ignore = ignore

    def bind(self, method: Method, reader: Reader) -> None:
        """Keep the directions that can be measured. Raises GanzooError when none can, or classes differ in number."""
        self.masks, data = method.masks, reader.dataset
        if not self.network:
            self.known = planes_that_look(method.masks)
        self.classes: dict[Direction, int] = {}
        for way in method.directions:
            if way == "AA":
                continue
            source, target = way[0], way[1]
            first = data.sample("train", source, 0)
            if target in data.classes:
                if first.target is not None:
                    self.classes[way] = data.classes[target]
            elif (
                self.known
                and target in accepted_domains(reader)
                and (source in data.classes or first.labels is not None)
            ):
                self.classes[way] = self.known
                if data.classes.get(source, self.known) != self.known:
                    raise GanzooError(
                        f"evaluate.metrics: miou: the label maps of {source} have {data.classes[source]} classes, and "
                        f"the segmenter knows {self.known}: it has to be one for these labels"
                    )
        self.directions = tuple(self.classes)
        if not self.directions:
            raise GanzooError(
                "evaluate.metrics: miou measures images whose sources have labels, by a model or a masker of several "
                "classes under maskers.labels; or label maps against their true pair; here is neither: take it out"
            )

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return each image's confusion matrix, (B, K, K + 1). Raises GanzooError for labels that are not known."""
        source, target = direction
        known = self.classes[direction]
        if target in step.classes:
            if f"true_{target}" not in step:
                raise GanzooError(f"miou: the data set gives no true pair of the images of {source} that are measured")
            labels, found = step[f"true_{target}"].argmax(1), step[f"fake_{target}"].argmax(1)
        else:
            labels, found = self.labels(step, source), self.found(step, f"fake_{target}")
        for one in self.ignore:
            labels = torch.where(labels == one, -1, labels)
        if int(labels.max()) >= known:
            raise GanzooError(
                f"miou: the labels of {source} have the class {int(labels.max())}, and the segmenter knows 0 … "
                f"{known - 1}; where it stands for no class, say ignore: [{int(labels.max())}]"
            )
        return {"confusion": confusion(labels, found, known)}

    def labels(self, step: Step, source: str) -> Tensor:
        """Return the labels of source images, (B, H, W). Raises GanzooError where there are none."""
        if source in step.classes:
            return step[f"real_{source}"].argmax(1)
        if f"given_labels_{source}" not in step:
            raise GanzooError(f"miou: the data set gives no labels of the images of {source} that are measured")
        return step[f"given_labels_{source}"][:, 0]

    def found(self, step: Step, name: str) -> Tensor:
        """Return the classes that the segmenter finds, (B, H, W); K where it finds none."""
        if not self.network:
            planes = self.masks.mask("labels", step, name)
        else:
            network = self.network.network.to(step[name].device)
            with torch.autocast(step[name].device.type, enabled=False):
                shares = network(self.network.prepare(step[name]))["out"].softmax(1)
                planes = F.interpolate(shares, step[name].shape[-2:], mode="bilinear", antialias=True)
        most, found = planes.max(1)
        return torch.where(most > 0, found, planes.shape[1])

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return the three values. Raises GanzooError where no pixel counts."""
        total = rows["confusion"].double().sum(0)
        if not total.any():
            raise GanzooError("miou: no pixel of the labels counts: look at ignore, and at the label maps")
        return scores(total, self.ignore)


def planes_that_look(masks: Roles) -> int:
    """Return how many classes the recipe's masker of labels tells apart; 0 where there is none, or it makes one plane.

    Raises GanzooError for one that does not look at images.
    """
    if "labels" not in masks:
        return 0
    if "image" not in masks.needs("labels"):
        raise GanzooError(
            "evaluate.metrics: miou: maskers.labels does not look at the image, so that it would find in any "
            "translation what its source has: name a model"
        )
    planes = torch.zeros(1, masks.maskers["labels"].planes, 8, 8)
    planes = masks.transforms["labels"](planes) if "labels" in masks.transforms else planes
    return planes.shape[1] if planes.shape[1] > 1 else 0
