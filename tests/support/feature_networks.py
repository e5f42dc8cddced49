"""Create small torchvision networks with random weights, and save them, for the tests of metrics that use them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import nn
from torchvision.models import get_model  # type: ignore[import-untyped]

from ganzoo_metrics.embeddings import EmbeddingSettings

CLASSIFIER, SEGMENTER = "squeezenet1_1", "lraspp_mobilenet_v3_large"
DETECTOR = "fasterrcnn_mobilenet_v3_large_320_fpn"


def build_model(model: str, classes: int, **options: Any) -> nn.Module:
    """Return a model with fixed random weights, in eval mode."""
    backbone = {} if model in (CLASSIFIER, "googlenet") else {"weights_backbone": None}
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        network: nn.Module = get_model(model, weights=None, num_classes=classes, **backbone, **options)
        for name, one in network.named_parameters():
            if one.dim() == 4 and not name.startswith(("rpn", "roi_heads")):
                nn.init.kaiming_normal_(one)  # large enough for the outputs of different images to differ
            if name.startswith("roi_heads.box_predictor"):
                one.mul_(0.05)  # and small enough for boxes to differ
    return network.eval().requires_grad_(False)


def save_model(folder: Path, model: str, classes: int, **options: Any) -> Path:
    """Save a model's weights with torchvision's names, and return the file."""
    file = folder / f"{model}-{classes}.safetensors"
    if not file.exists():
        save_file(build_model(model, classes, **options).state_dict(), file)
    return file


SMALL_EMBEDDINGS = {
    "dinov2": EmbeddingSettings("test_vit", 32, "pillow"),
    "clip": EmbeddingSettings("test_vit", 32, "pillow_crop", projected=True),
    "clip_base": EmbeddingSettings("test_vit", 32, "pillow_crop", projected=True),
}
"""timm's smallest vision transformer in place of DINOv2 and CLIP."""


def save_embedding(folder: Path) -> Path:
    """Save drawn weights of timm's smallest vision transformer, trained at 160 pixels, and return the file."""
    import timm

    file = folder / "test_vit.safetensors"
    if not file.exists():
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            network = timm.create_model("test_vit")
            for one in network.parameters():
                one.copy_(torch.randn_like(one) * 0.2)
        save_file(network.state_dict(), file)
    return file
