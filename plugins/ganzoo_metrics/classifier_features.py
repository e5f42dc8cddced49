"""Features of any torchvision or timm classifier, from before its classifier layers."""

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
    """The input that a network was trained on: square images, normalized by the mean and deviation of each colour.

    Args:
        side: the height and width in pixels.
        mean: the mean of red, green and blue in [0, 1].
        std: their standard deviations.
    """

    side: int
    mean: Sequence[float]
    std: Sequence[float]


class PooledFeatures(nn.Module):
    """A frozen network: images (B, 3, side, side) in [0, 255] → features (B, d) float32, before the classifier layers.

    timm defines these features for each of its networks. Of a torchvision network whose last part is ``fc``, ``head``
    or ``heads`` (ResNet, ViT, Swin, …) they are the input of this part; of others (SqueezeNet, VGG, DenseNet, …) they
    are the means of the last feature maps.

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
        """Return the features (B, d) of images (B, 3, side, side) in [0, 255]."""
        features: Tensor = self.network((images - self.mean) / self.std)
        return features if features.dim() == 2 else features.mean(dim=(2, 3))


class _Maps(nn.Module):
    """A network that only has a classifier's feature extractor, under its original name, as in the weights."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.features(images)
        return maps


def require_known(library: Library, name: str) -> None:
    """Raise GanzooError if the library has no classifier of this name."""
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
    """Return a torchvision network without its classifier, its input format, and the parts of its weights to ignore.

    Raises GanzooError for a model without known classifier layers.
    """
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
    """Return a timm network without its classifier, its input format, and the parts of its weights to ignore."""
    import timm

    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    about = network.pretrained_cfg
    classifiers = about.get("classifier") or ()
    named = [classifiers] if isinstance(classifiers, str) else classifiers
    unused = [part for one in named for part in _removed_part(one, network.state_dict())]
    input_format = InputFormat(about["input_size"][-1], about["mean"], about["std"])
    return network, input_format, [*unused, *PARTS_FOR_TRAINING]


def _removed_part(classifier: str, remaining: Iterable[str]) -> list[str]:
    """Return, in a list, the outermost part that was removed with a classifier: ``head`` for ``head.linear``."""
    places = classifier.split(".")
    parts = [".".join(places[: i + 1]) for i in range(len(places))]
    return [part for part in parts if not any(name.startswith(f"{part}.") for name in remaining)][:1]
