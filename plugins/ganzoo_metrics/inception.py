"""The Inception network of the Fréchet distance: TensorFlow's of 2015-12-05, as pytorch-fid ported its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_maskers.pretrained import Weights, mismatch_error

Scaling = Literal["by_128", "by_255"]


class Inception(nn.Module):
    """A frozen network: images (B, 3, 299, 299) in [0, 255] → features before the classifier, (B, 2048) float32.

    It is torchvision's Inception v3 with the pools of TensorFlow's graph: average pools ignore the padding, and the
    last block uses a max pool instead of an average pool.

    Args:
        weights: pytorch-fid's state dict.
        scaling: the scaling of the input: ``by_128``, (x − 128) / 128, as in clean-fid's TorchScript port; or
            ``by_255``, 2x / 255 − 1, as in pytorch-fid.
        origin: the weights file, for error messages.

    Raises GanzooError for the weights of another network.
    """

    def __init__(self, weights: Weights, scaling: Scaling = "by_128", origin: Path = Path("weights")) -> None:
        super().__init__()
        from torchvision.models import inception_v3  # type: ignore[import-untyped]  # slow import: takes seconds

        network: Any = inception_v3(weights=None, aux_logits=False, num_classes=1008, init_weights=False)
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise mismatch_error(origin, "the Fréchet distance's Inception", error) from None
        for name, block in network.named_children():
            if name.startswith("Mixed_") and "branch_pool" in dict(block.named_children()):
                setattr(network, name, Pooled(block, _largest if name == "Mixed_7c" else _average))
        network.fc = nn.Identity()
        self.network = network.eval().requires_grad_(False)
        self.scaling = scaling

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (B, 2048) of images (B, 3, 299, 299) in [0, 255]."""
        scaled = (images - 128) / 128 if self.scaling == "by_128" else 2 * images / 255 - 1
        features: Tensor = self.network(scaled)
        return features


class Pooled(nn.Module):
    """A block of Inception with another pool in its last branch.

    Args:
        block: a block of torchvision's network; only its last branch changes.
        pool: the new pool, a function from maps to maps, (B, C, H, W) both.
    """

    def __init__(self, block: Any, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.block, self.pool = block, pool

    def forward(self, maps: Tensor) -> Tensor:
        """Return the outputs of the block's branches, concatenated: (B, C', H', W')."""
        *branches, _ = self.block._forward(maps)
        return torch.cat([*branches, self.block.branch_pool(self.pool(maps))], 1)


def _average(maps: Tensor) -> Tensor:
    return F.avg_pool2d(maps, 3, stride=1, padding=1, count_include_pad=False)


def _largest(maps: Tensor) -> Tensor:
    return F.max_pool2d(maps, 3, stride=1, padding=1)
