"""Provide the package's own LPIPS, trunks with random weights, and the paths of published weights, for the tests."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ganzoo_metrics.background_lpips import MODELS, Net

DATA = Path(os.environ.get("GANZOO_DATA") or Path(__file__).resolve().parents[3] / "shared/data")
PUBLISHED, PHOTOGRAPHS = DATA.parent / "weights/squeezenet1_1_fp16.pth", DATA / "horse2zebra/testA"


def trunk_layers(net: Net) -> nn.Sequential:
    """Return torchvision's trunk with uninitialized weights, without its classifier, to save time and memory."""
    from torchvision.models import get_model  # type: ignore[import-untyped]

    with torch.device("meta"):
        layers: nn.Sequential = get_model(MODELS[net], weights=None).features
    return layers.to_empty(device="cpu")


def save_trunk(folder: Path, net: Net) -> Path:
    """Save random weights of a trunk with torchvision's names, and one classifier weight, which must be ignored."""
    file = folder / f"{net}.safetensors"
    if not file.exists():
        drawn = torch.Generator().manual_seed(len(net))
        weights = {"classifier.1.bias": torch.zeros(2)}
        for name, one in trunk_layers(net).state_dict().items():
            spread = (2 / one[0].numel()) ** 0.5 if one.dim() > 1 else 0.1
            weights[f"features.{name}"] = torch.randn(one.shape, generator=drawn) * spread
        save_file(weights, file)
    return file


def package_lpips(net: Net, trunk: dict[str, Tensor]) -> nn.Module:
    """Return the package's own LPIPS with its own heads and the weights of a trunk."""
    import lpips  # type: ignore[import-untyped]

    model: nn.Module = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    for name, one in model.net.named_parameters():  # type: ignore[union-attr]
        one.data.copy_(trunk[f"features.{name.split('.', 1)[1]}"])
    return model
