"""Features of any classifier of torchvision or timm, pooled before its last layer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.interfaces import suggest
from ganzoo_maskers.pretrained import Weights, misfit, without
from ganzoo_metrics.networks import ODD, PARTS_FOR_TRAINING

Library = Literal["torchvision", "timm"]
HEADS = ("fc", "heads", "head")


@dataclass(frozen=True)
class Seen:
    """What a network was trained to see: squares of a side, normalized."""

    side: int
    mean: Sequence[float]
    std: Sequence[float]


class PooledFeatures(nn.Module):
    """Images (B, 3, side, side) in [0, 255] → a network's features before its classifier, (B, d) float32.

    They are what its last linear layer is given; of a network of torchvision without such a one at its end (SqueezeNet,
    VGG, DenseNet, …), the means of its last maps.

    Args:
        library: ``torchvision`` or ``timm``.
        name: the model's, as the library calls it.
        weights: its state dict, whose classifier counts for nothing.
        origin: the weights' file, for errors.

    Raises GanzooError for a model that has no such features, and for the weights of another one.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, library: Library, name: str, weights: Weights, origin: Path = Path("weights")) -> None:
        super().__init__()
        network, self.seen, unused = (_of_torchvision if library == "torchvision" else _of_timm)(name)
        try:
            network.load_state_dict(without(weights, unused))
        except RuntimeError as error:
            raise misfit(origin, name, error) from None
        self.network = network.eval().requires_grad_(False)
        for label, values in (("mean", self.seen.mean), ("std", self.seen.std)):
            self.register_buffer(label, 255 * torch.tensor(values, dtype=torch.float32)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Return the features."""
        found: Tensor = self.network((images - self.mean) / self.std)
        return found if found.dim() == 2 else found.mean(dim=(2, 3))


class _Maps(nn.Module):
    """The part of a classifier that makes maps, under its own name."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.features(images)
        return maps


def require_known(library: Library, name: str) -> None:
    """Raise GanzooError for a model that a library has not."""
    if library == "timm":
        import timm  # takes seconds

        if not timm.is_model(name):
            raise GanzooError(f"timm has no model {name!r}{suggest(name, timm.list_models())}")
        return
    from torchvision import models  # type: ignore[import-untyped]  # takes seconds

    known = models.list_models(models)  # classifiers alone
    if name not in known:
        raise GanzooError(f"torchvision has no classifier {name!r}{suggest(name, known)}")


def seen_in_training(name: str) -> Seen:
    """Return what a classifier of torchvision was shown when its first published weights were made."""
    from torchvision.models import get_model_weights  # type: ignore[import-untyped]

    shown = next(iter(get_model_weights(name))).transforms()
    return Seen(shown.crop_size[0], shown.mean, shown.std)


def _of_torchvision(name: str) -> tuple[nn.Module, Seen, Sequence[str]]:
    """Return a network without its classifier, what it sees, and the parts of its weights that count for nothing."""
    from torchvision.models import get_model

    network: Any = get_model(name, weights=None, **ODD.get(name, {}))
    seen = seen_in_training(name)
    head = next((one for one in HEADS if hasattr(network, one)), None)
    if head is None and not hasattr(network, "features"):
        raise GanzooError(f"torchvision's {name} has no classifier whose input could be taken: name another network")
    if head is None:
        return _Maps(network.features), seen, ["classifier"]
    setattr(network, head, nn.Identity())
    return network, seen, [head, *PARTS_FOR_TRAINING]


def _of_timm(name: str) -> tuple[nn.Module, Seen, Sequence[str]]:
    """Return the same of timm's."""
    import timm

    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    about = network.pretrained_cfg
    classifiers = about.get("classifier") or ()
    named = [classifiers] if isinstance(classifiers, str) else classifiers
    unused = [part for one in named for part in _dropped(one, network.state_dict())]
    seen = Seen(about["input_size"][-1], about["mean"], about["std"])
    return network, seen, [*unused, *PARTS_FOR_TRAINING]


def _dropped(classifier: str, kept: Iterable[str]) -> list[str]:
    """Return the part that went with a classifier, of which nothing is kept: with ``head.linear``, ``head``, say."""
    places = classifier.split(".")
    parts = [".".join(places[: i + 1]) for i in range(len(places))]
    return [part for part in parts if not any(name.startswith(f"{part}.") for name in kept)][:1]
