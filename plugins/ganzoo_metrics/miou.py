"""``miou``: compare a segmenter's classes in a translated image with the labels of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Direction, Method, Metric, Reader, Roles, Step
from ganzoo_metrics.confusion import confusion, scores
from ganzoo_metrics.directions import accepted_domains, first_samples
from ganzoo_metrics.label_colours import Colour, nearest_classes
from ganzoo_metrics.networks import pretrained

Value = Annotated[int, Field(ge=0, le=255)]


class MeanIoU(Metric):
    """The FCN score (Isola et al. 2017; Zhu et al. 2017) of translations: higher is better, at most 1.

    A segmenter predicts the classes of the translation, which are compared with the labels of the source: the source
    itself if it is a label map, else the data set's labels for it. ``pixel_accuracy`` is the share of pixels whose
    class is predicted correctly; ``class_accuracy`` is the mean of this share over the classes in the labels; ``miou``
    is the mean intersection over union over the classes in labels or predictions. The pixels of all images are counted
    together.

    A translation *into* label maps is compared with its true pair, if the data has one, and needs no segmenter. So is
    one into label images, whose colours stand for classes: each pixel has the class of the nearest of ``colours``. The
    segmenter's errors on real images limit the values: compare values of the same segmenter only.

    Args:
        model: a segmenter of torchvision; by default the recipe's masker in the role ``labels``.
        weights: a file with the model's weights; by default torchvision's weights are downloaded once.
        classes: the number of classes of the weights, the same as of the labels; 0: as many as torchvision's, 21.
        ignore: the classes of the labels that do not count, such as 255 if it means no class.
        colours: ``{A: [[128, 64, 128], …]}``: the images of A are label images, and their classes 0, 1, … have these
            colours (red, green, blue). A segmenter may know fewer classes, if the others are ignored.
    """

    def __init__(
        self,
        *,
        model: str | None = None,
        weights: Path | None = None,
        classes: Annotated[int, Field(ge=0)] = 0,
        ignore: tuple[Value, ...] = (),
        colours: dict[Literal["A", "B"], Annotated[tuple[tuple[Value, Value, Value], ...], Field(min_length=2)]]
        | None = None,
    ) -> None:
        if model is None and (weights or classes):
            raise GanzooError(
                "miou: weights and classes belong to a model, but model is not set: set model, or remove them"
            )
        self.network = pretrained("miou", "segmentation", model, weights, classes) if model else None
        self.known = 0
        if self.network:
            self.known = self.network.classes
            self.sources = {"weights": self.network.source}
            self.about = {"network": self.network.label, "weights": self.network.source.key}
        self.ignore = ignore
        self.colours: Mapping[str, Sequence[Colour]] = {str(one): drawn for one, drawn in (colours or {}).items()}

    def bind(self, method: Method, reader: Reader) -> None:
        """Select the directions that can be measured.

        Raises GanzooError if there are none, if the label maps of a source and the segmenter differ in their number of
        classes, if the masker in the role ``labels`` does not use the image, or if a domain of ``colours`` has no
        images in colour.
        """
        self.masks, data = method.masks, reader.dataset
        for domain in self.colours:
            if data.channels.get(domain) != 3:
                raise GanzooError(
                    f"evaluate.metrics: miou: colours.{domain}: the domain has no images of 3 channels; remove it"
                )
        if not self.network:
            self.known = count_label_planes(method.masks)
        self.classes: dict[Direction, int] = {}
        for way in method.directions:
            if way == "AA":
                continue
            source, target = way[0], way[1]
            samples = list(first_samples(data, source))
            if target in data.classes:
                if any(one.target is not None for one in samples):
                    self.classes[way] = data.classes[target]
            elif target in self.colours:
                if any(one.target is not None for one in samples):
                    self.classes[way] = len(self.colours[target])
            elif (
                self.known
                and target in accepted_domains(reader)
                and (source in (*data.classes, *self.colours) or any(one.labels is not None for one in samples))
            ):
                self.classes[way] = self.known
                if data.classes.get(source, self.known) != self.known:
                    raise GanzooError(
                        f"evaluate.metrics: miou: the label maps of {source} have {data.classes[source]} classes, but "
                        f"the segmenter has {self.known}: choose a segmenter for these labels"
                    )
        self.directions = tuple(self.classes)
        if not self.directions:
            raise GanzooError(
                "evaluate.metrics: miou needs sources with labels and a segmenter (model, or a masker of several "
                "classes under maskers.labels), or label maps with true pairs; this run has neither: remove it"
            )

    @torch.no_grad()
    def rows(self, step: Step, direction: Direction) -> dict[str, Tensor]:
        """Return the confusion matrix of each image, (B, K, K + 1), under ``confusion``; see ``confusion``.

        Raises GanzooError if labels or true pairs are missing, and for a label that is not one of the K classes.
        """
        source, target = direction
        known = self.classes[direction]
        if target in (*step.classes, *self.colours):
            if f"true_{target}" not in step:
                raise GanzooError(
                    f"miou: the data set has no true pair for the measured images of {source}: remove the metric"
                )
            labels, predicted = (self.drawn(step[f"{name}_{target}"], target) for name in ("true", "fake"))
        else:
            labels, predicted = self.labels(step, source), self.predict(step, f"fake_{target}")
        for one in self.ignore:
            labels = torch.where(labels == one, -1, labels)
        if int(labels.max()) >= known:
            raise GanzooError(
                f"miou: the labels of {source} have the class {int(labels.max())}, but the segmenter has 0 … "
                f"{known - 1}; if it means no class, set ignore: [{int(labels.max())}]"
            )
        return {"confusion": confusion(labels, predicted, known)}

    def labels(self, step: Step, source: str) -> Tensor:
        """Return the labels of the source images, (B, H, W) int64. Raises GanzooError if there are none."""
        if source in (*step.classes, *self.colours):
            return self.drawn(step[f"real_{source}"], source)
        if f"given_labels_{source}" not in step:
            raise GanzooError(
                f"miou: the data set has no labels for the measured images of {source}: remove the metric"
            )
        return step[f"given_labels_{source}"][:, 0]

    def drawn(self, maps: Tensor, domain: str) -> Tensor:
        """Return the classes, (B, H, W) int64, of a domain's label maps (B, K, H, W), or label images (B, 3, H, W)."""
        return nearest_classes(maps, self.colours[domain]) if domain in self.colours else maps.argmax(1)

    def predict(self, step: Step, name: str) -> Tensor:
        """Return the predicted classes of the step's images ``name``, (B, H, W) int64: 0 … K − 1; K for no class."""
        if not self.network:
            planes = self.masks.mask("labels", step, name)
        else:
            network = self.network.network.to(step[name].device)
            with torch.autocast(step[name].device.type, enabled=False):
                shares = network(self.network.prepare(step[name]))["out"].softmax(1)
                planes = F.interpolate(shares, step[name].shape[-2:], mode="bilinear", antialias=True)
        most, predicted = planes.max(1)
        return torch.where(most > 0, predicted, planes.shape[1])

    def compute(self, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        """Return ``pixel_accuracy``, ``class_accuracy`` and ``miou`` over all images.

        Raises GanzooError if no pixel counts.
        """
        total = rows["confusion"].double().sum(0)
        if not total.any():
            raise GanzooError("miou: no pixel of the labels counts: check ignore and the label maps")
        return scores(total, self.ignore)


def count_label_planes(masks: Roles) -> int:
    """Return the number of classes of the masker in the role ``labels``; 0 if there is none or it makes one plane.

    Raises GanzooError for a masker that does not use the image.
    """
    if "labels" not in masks:
        return 0
    if "image" not in masks.needs("labels"):
        raise GanzooError(
            "evaluate.metrics: miou: maskers.labels does not use the image, so its classes would be the same for "
            "source and translation: set model"
        )
    planes = torch.zeros(1, masks.maskers["labels"].planes, 8, 8)
    planes = masks.transforms["labels"](planes) if "labels" in masks.transforms else planes
    return planes.shape[1] if planes.shape[1] > 1 else 0
