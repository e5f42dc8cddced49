"""Load pretrained torchvision networks by name, with published weights or with those of a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import file_digest
from pathlib import Path
from typing import Literal

from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import Source, suggest
from ganzoo_maskers.pretrained import drop_parts, fetch_weights, mismatch_error, read_weights, torchvision_weights

Task = Literal["classification", "segmentation", "detection"]

PARTS_FOR_TRAINING = ("aux_classifier", "aux1", "aux2", "AuxLogits")
MODEL_OPTIONS: dict[str, dict[str, bool]] = {
    name: {"aux_logits": False, "init_weights": False, "transform_input": True}
    for name in ("googlenet", "inception_v3")
}
"""Options of models whose published weights expect another input range."""


@dataclass(frozen=True)
class Pretrained:
    """A network of torchvision, frozen, in eval mode.

    Args:
        network: the torchvision module.
        transforms: torchvision's function from images (B, 3, H, W) in [0, 1] to the network's input.
        classes: the number of classes that the network distinguishes.
        label: the network's name in records.
        source: the path and checksum of the weights file.
    """

    network: nn.Module
    transforms: Callable[[Tensor], Tensor]
    classes: int
    label: str
    source: Source

    def prepare(self, images: Tensor) -> Tensor:
        """Return images (B, 1 or 3, H, W) in [−1, 1], clamped, as the network's input."""
        return self.transforms(((images.float().clamp(-1, 1) + 1) / 2).expand(-1, 3, -1, -1))


def pretrained(metric: str, task: Task, model: str, weights: Path | None = None, classes: int = 0) -> Pretrained:
    """Return a network with the weights of a file, by default the first that torchvision published.

    Args:
        metric: the name of the metric, for error messages.
        task: the model's task.
        model: its name in torchvision.
        weights: a safetensors file or a torch state dict; None: torchvision's, downloaded if missing.
        classes: the number of classes of the weights; 0: as many as torchvision's own.

    Raises:
        GanzooError: torchvision has no such model for the task, or the weights are missing or belong to another
            network.
    """
    import torchvision.models as zoo  # type: ignore[import-untyped]  # slow import: takes seconds

    known = zoo.list_models(zoo if task == "classification" else getattr(zoo, task))
    if task == "detection":
        known = [
            name for name in known if name.startswith("fasterrcnn")
        ]  # other detectors have no class logits for a box
    if model not in known:
        kind = "Faster R-CNN" if task == "detection" else f"model for {task}"
        raise GanzooError(f"{metric}: torchvision has no {kind} {model!r}{suggest(model, known)}")
    first = next(iter(zoo.get_model_weights(model)))
    alone = {} if task == "classification" else {"weights_backbone": None}
    count = classes or len(first.meta["categories"])
    network: nn.Module = zoo.get_model(model, weights=None, num_classes=count, **alone, **MODEL_OPTIONS.get(model, {}))
    file = weights or fetch_weights(torchvision_weights(model))
    try:
        network.load_state_dict(drop_parts(read_weights(file), PARTS_FOR_TRAINING))
    except RuntimeError as error:
        raise mismatch_error(file, f"{model} with {count} classes", error) from None
    frozen = network.requires_grad_(False).eval()
    return Pretrained(frozen, first.transforms(), count, f"torchvision/{model}", weights_source(file))


def weights_source(file: Path) -> Source:
    """Return the path and checksum of a weights file, for the attribute ``sources`` of a metric."""
    with file.open("rb") as opened:
        return Source(file, file_digest(opened, "sha256").hexdigest()[:16])
