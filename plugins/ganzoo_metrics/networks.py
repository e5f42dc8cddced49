"""Pretrained networks of torchvision by name, with published weights or those of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Source, suggest
from ganzoo_maskers.pretrained import fetched, misfit, of_torchvision, read_weights, without

Task = Literal["classification", "segmentation", "detection"]

PARTS_FOR_TRAINING = ("aux_classifier", "aux1", "aux2", "AuxLogits")
ODD: dict[str, dict[str, bool]] = {
    name: {"aux_logits": False, "init_weights": False, "transform_input": True}
    for name in ("googlenet", "inception_v3")
}
"""Options of models whose weights were made with another range of images."""


@dataclass(frozen=True)
class Pretrained:
    """A network of torchvision, frozen, in eval mode.

    Args:
        network: as torchvision made it.
        transforms: torchvision's own: images (B, 3, H, W) in [0, 1] → what the network was trained to see.
        classes: that it tells apart.
        label: what records call it.
        source: the file of its weights.
    """

    network: nn.Module
    transforms: Callable[[Tensor], Tensor]
    classes: int
    label: str
    source: Source

    def prepare(self, images: Tensor) -> Tensor:
        """Return images (B, 1 or 3, H, W) in [−1, 1] as the network was trained to see them."""
        return self.transforms(((images.float().clamp(-1, 1) + 1) / 2).expand(-1, 3, -1, -1))


def pretrained(metric: str, task: Task, model: str, weights: Path | None = None, classes: int = 0) -> Pretrained:
    """Return a network with weights, those of the first training that torchvision published where no file is given.

    Args:
        metric: which wants it, for errors.
        task: what the model is for.
        model: its name in torchvision.
        weights: a safetensors file or a torch state dict.
        classes: how many the weights know; 0: as many as torchvision's own.

    Raises:
        GanzooError: torchvision has no such model, or the weights cannot be had, or are another network's.
    """
    import torchvision.models as zoo  # type: ignore[import-untyped]  # takes seconds

    known = zoo.list_models(zoo if task == "classification" else getattr(zoo, task))
    if task == "detection":
        known = [name for name in known if name.startswith("fasterrcnn")]  # others tell no classes of a box apart
    if model not in known:
        kind = "Faster R-CNN" if task == "detection" else f"model for {task}"
        raise GanzooError(f"{metric}: torchvision has no {kind} {model!r}{suggest(model, known)}")
    first = next(iter(zoo.get_model_weights(model)))
    alone = {} if task == "classification" else {"weights_backbone": None}
    count = classes or len(first.meta["categories"])
    network: nn.Module = zoo.get_model(model, weights=None, num_classes=count, **alone, **ODD.get(model, {}))
    file = weights or fetched(of_torchvision(model))
    try:
        network.load_state_dict(without(read_weights(file), PARTS_FOR_TRAINING))
    except RuntimeError as error:
        raise misfit(file, f"{model} with {count} classes", error) from None
    frozen = network.requires_grad_(False).eval()
    return Pretrained(frozen, first.transforms(), count, f"torchvision/{model}", source_of(file))


def source_of(file: Path) -> Source:
    """Return the source entry of a file of weights."""
    with file.open("rb") as opened:
        return Source(file, file_digest(opened, "sha256").hexdigest()[:16])
