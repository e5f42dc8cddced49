"""Masks from torchvision's segmentation networks, by class name (21 classes of Pascal VOC)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker, suggest
from ganzoo_maskers.pretrained import Normalize, drop_parts, fetch_weights, mismatch_error, read_weights


class Segmenter(Masker):
    """The probability of one or more classes at each pixel, from a pretrained segmentation network of torchvision.

    Args:
        model: the name of a model in torchvision.models.segmentation.
        weights: a safetensors file or a torch state dict; by default torchvision's weights are downloaded once.
        classes: the names of the classes; ``all``: one plane for every class, for the role ``labels``.
        planes: ``union``: one plane for all named classes; ``per_class``: one for each, in the order of ``classes``.
        soft: whether the mask has probabilities (softmax); otherwise it is 1 where a class is the most likely of all,
            and 0 elsewhere.
        size: the length, in pixels, to which the image's shorter side is scaled for the network; 0: no scaling. The
            networks were trained at 520; set 256 or more for small images.
    """

    def __init__(
        self,
        *,
        model: str = "deeplabv3_mobilenet_v3_large",
        weights: Path | None = None,
        classes: Literal["all"] | Annotated[tuple[str, ...], Field(min_length=1)] = ("person",),
        planes: Literal["union", "per_class"] = "union",
        soft: bool = True,
        size: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        enum = _weights_of(model)
        known = list(enum.meta["categories"])
        self.chosen = _indices(classes, known)
        self.union = planes == "union" and classes != "all"
        self.planes = 1 if self.union else len(self.chosen)
        self.classes = ("+".join(classes),) if self.union else tuple(known[one] for one in self.chosen)
        self.soft = soft
        self.size = size
        self.network = _make(model, weights, len(known))
        transforms = enum.transforms()
        self.normalize = Normalize(transforms.mean, transforms.std)

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode whatever ``mode`` is, because the network is frozen."""
        return super().train(False)

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, K, H, W) in [0, 1], with K planes.

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        with torch.autocast(image.device.type, enabled=False):
            shares = self.logits(image).softmax(1)
        if not self.soft:
            shares = F.one_hot(shares.argmax(1), shares.shape[1]).movedim(-1, 1)
        mask = shares[:, self.chosen]
        if self.union:
            mask = mask.sum(1, keepdim=True).clamp(max=1)
        return mask.to(image.dtype)

    def logits(self, image: Tensor) -> Tensor:
        """Return the network's output for all its 21 classes at the image's size: (B, 21, H, W).

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        sides = image.shape[-2:]
        inputs = self.normalize(image)
        if self.size:
            scaled = [max(1, round(side * self.size / min(sides))) for side in sides]
            inputs = F.interpolate(inputs, scaled, mode="bilinear", antialias=True)
        logits: Tensor = self.network(inputs)["out"]
        return F.interpolate(logits, sides, mode="bilinear") if self.size else logits


def _weights_of(model: str) -> Any:
    """Return torchvision's entry for a model's pretrained weights: their address, classes and transforms.

    Raises GanzooError for an unknown model.
    """
    from torchvision.models import get_model_weights, list_models, segmentation  # type: ignore[import-untyped]

    known = list_models(segmentation)
    if model not in known:
        raise GanzooError(f"segmenter: torchvision has no segmentation model {model!r}{suggest(model, known)}")
    return get_model_weights(model).DEFAULT


def _indices(classes: str | tuple[str, ...], known: list[str]) -> list[int]:
    if classes == "all":
        return list(range(len(known)))
    for place, name in enumerate(classes):
        if name not in known:
            raise GanzooError(f"segmenter: unknown class {name!r}{suggest(name, known)}")
        if name in classes[:place]:
            raise GanzooError(f"segmenter: the class {name!r} is named twice; remove one")
    return [known.index(name) for name in classes]


def _make(model: str, weights: Path | None, count: int) -> nn.Module:
    """Return the network with its weights, frozen, without the auxiliary classifier, which is for training only.

    Raises GanzooError for missing or wrong weights.
    """
    from torchvision.models import get_model

    network: nn.Module = get_model(model, weights=None, weights_backbone=None, num_classes=count)
    file = weights or fetch_weights(f"torchvision/{model}")
    try:
        network.load_state_dict(drop_parts(read_weights(file), ["aux_classifier"]))
    except RuntimeError as error:
        raise mismatch_error(file, model, error) from None
    return network.requires_grad_(False).eval()
