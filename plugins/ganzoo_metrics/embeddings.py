"""DINOv2 and CLIP as papers about distances use them: the class token of a vision transformer of timm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ganzoo_maskers.pretrained import Weights, drop_parts, mismatch_error
from ganzoo_metrics.resizing import How

OFFSET = 0.1
"""What DINOv2 adds to the number of patches a side when it resizes its position embeddings."""


@dataclass(frozen=True)
class EmbeddingSettings:
    """A vision transformer, and how images are prepared for it.

    Args:
        model: timm's name of the model and of its weights.
        side: the height and width of its input in pixels.
        how: the method of resizing.
        projected: whether features are projected and scaled to length 1, as CLIP's are where it compares images.
    """

    model: str
    side: int
    how: How
    projected: bool = False


EMBEDDINGS = {
    "dinov2": EmbeddingSettings("vit_large_patch14_dinov2.lvd142m", 224, "pillow"),
    "dinov2_base": EmbeddingSettings("vit_base_patch14_dinov2.lvd142m", 224, "pillow"),
    "dinov2_small": EmbeddingSettings("vit_small_patch14_dinov2.lvd142m", 224, "pillow"),
    "clip": EmbeddingSettings("vit_large_patch14_clip_quickgelu_336.openai", 336, "pillow_crop", projected=True),
    "clip_base": EmbeddingSettings("vit_base_patch32_clip_quickgelu_224.openai", 224, "pillow_crop", projected=True),
}
"""Networks by name. ``dinov2`` is that of Stein et al. 2023 (dgm-eval), ``clip`` that of Jayasumana et al. 2024."""


class Embedding(nn.Module):
    """A frozen network: images (B, 3, side, side) in [0, 255] → features of the class token, (B, d) float32.

    Position embeddings of another size of input are resized as DINOv2 does: bicubic, from a scale of
    (side / patch + 0.1) / patches a side, without antialiasing.

    Args:
        settings: the model and its input.
        weights: its state dict, with the names of timm, or those of DINOv2 or CLIP's authors.
        origin: the weights file, for error messages.

    Raises GanzooError for weights of another model.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, settings: EmbeddingSettings, weights: Weights, origin: Path = Path("weights")) -> None:
        super().__init__()
        import timm  # slow import: takes seconds
        from timm.models.vision_transformer import checkpoint_filter_fn

        network: Any = timm.create_model(settings.model, pretrained=False, img_size=settings.side)
        grid = network.patch_embed.grid_size[0]
        if not settings.projected:
            network.reset_classifier(0)
            weights = drop_parts(weights, ["head"])
        if "pos_embed" in weights:
            weights = weights | {"pos_embed": resize_positions(weights["pos_embed"], grid)}
        try:
            network.load_state_dict(checkpoint_filter_fn(weights, network))
        except (RuntimeError, KeyError) as error:
            raise mismatch_error(origin, settings.model, error) from None
        self.network, self.projected = network.eval().requires_grad_(False), settings.projected
        about = network.pretrained_cfg
        for label in ("mean", "std"):
            self.register_buffer(label, 255 * torch.tensor(about[label], dtype=torch.float32)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        """Return the features (B, d) of images (B, 3, side, side) in [0, 255]."""
        features: Tensor = self.network((images - self.mean) / self.std)
        return F.normalize(features, dim=1) if self.projected else features


def resize_positions(embeddings: Tensor, grid: int) -> Tensor:
    """Return position embeddings (1, 1 + n², d), whose first is the class token's, for grid × grid patches.

    They are unchanged if n is ``grid`` already, or if they are not of a square.
    """
    patches = embeddings[:, 1:]
    old = round(patches.shape[1] ** 0.5)
    if old in (0, grid) or old**2 != patches.shape[1]:
        return embeddings
    planes = patches.float().unflatten(1, (old, old)).permute(0, 3, 1, 2)
    resized = F.interpolate(planes, scale_factor=((grid + OFFSET) / old,) * 2, mode="bicubic")
    return torch.cat([embeddings[:, :1].float(), resized.permute(0, 2, 3, 1).flatten(1, 2)], 1)
