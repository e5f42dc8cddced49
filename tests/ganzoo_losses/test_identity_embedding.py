"""The cosine distance of a network's features."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from ganzoo.testing import make_images
from ganzoo_losses.identity_embedding import IdentityEmbedding
from tests.support.command_line import refusal


@pytest.mark.parametrize("channels", [1, 3])
def test_it_is_the_cosine_distance_of_features(tmp_path: Path, channels: int) -> None:
    torch.manual_seed(0)
    network: Any = timm.create_model("test_resnet").eval()
    save_file(network.state_dict(), tmp_path / "resnet.safetensors")
    loss = IdentityEmbedding(network="test_resnet", weights=tmp_path / "resnet.safetensors")
    image, target = make_images(2, channels, (24, 30)), make_images(2, channels, (40, 24), 1)
    config = network.pretrained_cfg
    mean, std = (torch.tensor(config[name])[:, None, None] for name in ("mean", "std"))
    features = []
    with torch.no_grad():
        for one in (image, target):
            large = F.interpolate((one + 1) / 2, config["input_size"][1:], mode="bicubic", antialias=True)
            features.append(network.forward_head(network.forward_features((large - mean) / std), pre_logits=True))
    expected = sum(
        1 - float(a.double() @ b.double() / (a.double().norm() * b.double().norm()))
        for a, b in zip(*features, strict=True)
    )
    assert float(loss(image, target)) == pytest.approx(expected / 2, rel=1e-3, abs=1e-6)
    assert loss(image, image) == 0
    assert refusal(loss, image.repeat(1, 2, 1, 1)[:, :2], image).startswith("identity_embedding accepts images of 1 or")
