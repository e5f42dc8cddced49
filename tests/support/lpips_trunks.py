"""LPIPS as the package has it, trunks with drawn weights, and where published ones lie, if they are there."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganzoo_metrics.background_lpips import MODELS, Net

DATA = Path(os.environ.get("GANZOO_DATA") or Path(__file__).resolve().parents[3] / "shared/data")
PUBLISHED, PHOTOGRAPHS = DATA.parent / "weights/squeezenet1_1_fp16.pth", DATA / "horse2zebra/testA"


def features(net: Net) -> nn.Sequential:
    """Return torchvision's trunk without weights, and without the time and memory that its classifier takes."""
    from torchvision.models import get_model  # type: ignore[import-untyped]

    with torch.device("meta"):
        layers: nn.Sequential = get_model(MODELS[net], weights=None).features
    return layers.to_empty(device="cpu")


def saved(folder: Path, net: Net) -> Path:
    """Save drawn weights of a trunk, as torchvision names them, beside a classifier that is not wanted."""
    file = folder / f"{net}.safetensors"
    if not file.exists():
        drawn = torch.Generator().manual_seed(len(net))
        weights = {"classifier.1.bias": torch.zeros(2)}
        for name, one in features(net).state_dict().items():
            spread = (2 / one[0].numel()) ** 0.5 if one.dim() > 1 else 0.1
            weights[f"features.{name}"] = torch.randn(one.shape, generator=drawn) * spread
        save_file(weights, file)
    return file


def package(net: Net, trunk: dict[str, Tensor]) -> nn.Module:
    """Return the package's own LPIPS, its heads loaded by itself, its trunk filled a layer at a time."""
    import lpips  # type: ignore[import-untyped]

    model: nn.Module = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for name, one in model.net.named_parameters():  # type: ignore[union-attr]
        one.data.copy_(trunk[f"features.{name.split('.', 1)[1]}"])
    return model
