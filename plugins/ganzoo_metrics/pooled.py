"""Features of any classifier of torchvision or timm: what it pools before it decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from ganzoo import GanzooError
from ganzoo.errors import suggest
from ganzoo_maskers.pretrained import Weights, misfit

Library = Literal["torchvision", "timm"]
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
HEADS = ("fc", "heads", "head")


@dataclass(frozen=True)
class Seen:
    """What a network was trained to see: squares of a side, normalized."""

    side: int = 224
    mean: Sequence[float] = IMAGENET[0]
    std: Sequence[float] = IMAGENET[1]


class PooledFeatures(nn.Module):
    """Pictures (B, 3, side, side) in [0, 255] → a network's features before its classifier, (B, d) float32.

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
        network, self.seen = (_of_torchvision if library == "torchvision" else _of_timm)(name)
        try:
            if missing := sorted(network.state_dict().keys() - weights.keys()):
                raise RuntimeError(f"{missing[0]} is missing")
            network.load_state_dict(weights, strict=False)  # what the classifier would have is left over
        except RuntimeError as error:
            raise misfit(origin, name, error) from None
        self.network = network.eval().requires_grad_(False)
        for label, values in (("mean", self.seen.mean), ("std", self.seen.std)):
            self.register_buffer(label, 255 * torch.tensor(values, dtype=torch.float32)[:, None, None])

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the features."""
        found: Tensor = self.network((pictures - self.mean) / self.std)
        return found if found.dim() == 2 else found.mean(dim=(2, 3))


class _Maps(nn.Module):
    """The part of a classifier that makes maps, under its own name."""

    def __init__(self, features: nn.Module) -> None:
        super().__init__()
        self.features = features

    def forward(self, pictures: Tensor) -> Tensor:
        maps: Tensor = self.features(pictures)
        return maps


def require_known(library: Library, name: str) -> None:
    """Raise GanzooError for a model that a library has not."""
    if library == "timm":
        import timm  # takes seconds

        if not timm.is_model(name):
            raise GanzooError(f"timm has no model {name!r}{suggest(name, timm.list_models())}")
        return
    from torchvision.models import list_models  # type: ignore[import-untyped]  # takes seconds

    known = [one for one in list_models() if "/" not in one and "rcnn" not in one and not one.startswith("raft")]
    if name not in known:
        raise GanzooError(f"torchvision has no classifier {name!r}{suggest(name, known)}")


def _of_torchvision(name: str) -> tuple[nn.Module, Seen]:
    from torchvision.models import get_model

    options = {"aux_logits": False, "init_weights": False} if name in ("inception_v3", "googlenet") else {}
    network: Any = get_model(name, weights=None, **options)
    side = 299 if name == "inception_v3" else 224
    head = next((one for one in HEADS if hasattr(network, one)), None)
    if head is None and not hasattr(network, "features"):
        raise GanzooError(f"torchvision's {name} has no classifier whose input could be taken: name another network")
    if head is None:
        return _Maps(network.features), Seen(side)
    setattr(network, head, nn.Identity())
    return network, Seen(side)


def _of_timm(name: str) -> tuple[nn.Module, Seen]:
    import timm

    network: Any = timm.create_model(name, pretrained=False, num_classes=0)
    about = network.pretrained_cfg
    return network, Seen(about["input_size"][-1], about["mean"], about["std"])
