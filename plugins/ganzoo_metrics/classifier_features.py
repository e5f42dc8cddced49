"""Features of any torchvision or timm classifier, pooled before its last layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import suggest
from ganzoo_maskers.pretrained import Weights, drop_parts, mismatch_error
from ganzoo_metrics.networks import MODEL_OPTIONS, PARTS_FOR_TRAINING

Library = Literal["torchvision", "timm"]
HEADS = ("fc", "heads", "head")


@dataclass(frozen=True)
class InputFormat:
    """The images that a network was trained on: squares of ``side`` pixels, normalized by ``mean`` and ``std``."""

    side: int
    mean: Sequence[float]
    std: Sequence[float]


class PooledFeatures(nn.Module):
    """Images (B, 3, side, side) in [0, 255] → a network's features before its classifier, (B, d) float32.

    They are the input of the last linear layer. A torchvision network that does not end in a linear layer (SqueezeNet,
    VGG, DenseNet, …) gives the means of its last feature maps.

    Args:
        library: ``torchvision`` or ``timm``.
        name: the model's name in the library.
        weights: its state dict; the classifier's weights are ignored.
        origin: the weights file, for error messages.

    Raises GanzooError for a model that has no such features, and for weights of another model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, library: Library, name: str, weights: Weights, origin: Path = Path("weights")) -> None:
        super().__init__()
        network, self.input_format, unused = (_of_torchvision if library == "torchvision" else _of_timm)(name)
        try:
            network.load_state_dict(drop_parts(weights, unused))
        except RuntimeError as error:
            raise mismatch_error(origin, name, error) from None
        self.network = network.eval().requires_grad_(False)
        for label, values in (("mean", self.input_format.mean), ("std", self.input_format.std)):
            self.register_buffer(label, 255 * torch.tensor(values, dtype=torch.float32)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        features: Tensor = self.network((images - self.mean) / self.std)
        return features if features.dim() == 2 else features.mean(dim=(2, 3))


class _Maps(nn.Module):
    """The feature extractor of a classifier, under its original name."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.features(images)
        return maps


def require_known(library: Library, name: str) -> None:
    """Raise GanzooError for a model that the library does not have."""
    if library == "timm":
        import timm  # slow import: takes seconds

        if not timm.is_model(name):
            raise GanzooError(f"timm has no model {name!r}{suggest(name, timm.list_models())}")
        return
    from torchvision import models  # type: ignore[import-untyped]  # slow import: takes seconds

    known = models.list_models(models)  # only classifiers
    if name not in known:
        raise GanzooError(f"torchvision has no classifier {name!r}{suggest(name, known)}")


def torchvision_format(name: str) -> InputFormat:
    """Return the input format of a torchvision classifier's first published weights."""
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]

    transforms = next(iter(get_model_weights(name))).transforms()
    return InputFormat(transforms.crop_size[0], transforms.mean, transforms.std)


def _of_torchvision(name: str) -> tuple[nn.Module, InputFormat, Sequence[str]]:
    """Return a network without its classifier, its input format, and the parts of its weights to ignore."""
    from torchvision.models import get_model

    network: Any = get_model(name, weights=None, **MODEL_OPTIONS.get(name, {}))
    input_format = torchvision_format(name)
    head = next((one for one in HEADS if hasattr(network, one)), None)
    if head is None and not hasattr(network, "features"):
        raise GanzooError(
            f"torchvision's {name} has no classifier layer to take features before: choose another network"
        )
    if head is None:
        return _Maps(network.features), input_format, ["classifier"]
    setattr(network, head, nn.Identity())
    return network, input_format, [head, *PARTS_FOR_TRAINING]


def _of_timm(name: str) -> tuple[nn.Module, InputFormat, Sequence[str]]:
    """Return the same for a timm network."""
    import timm

    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    about = network.pretrained_cfg
    classifiers = about.get("classifier") or ()
    named = [classifiers] if isinstance(classifiers, str) else classifiers
    unused = [part for one in named for part in _removed_part(one, network.state_dict())]
    input_format = InputFormat(about["input_size"][-1], about["mean"], about["std"])
    return network, input_format, [*unused, *PARTS_FOR_TRAINING]


def _removed_part(classifier: str, remaining: Iterable[str]) -> list[str]:
    """Return the outermost part that was removed with a classifier: ``head`` for ``head.linear``, for example."""
    places = classifier.split(".")
    parts = [".".join(places[: i + 1]) for i in range(len(places))]
    return [part for part in parts if not any(name.startswith(f"{part}.") for name in remaining)][:1]
