"""Masks from the attention of a pretrained vision transformer (Wang, Mask CycleGAN)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ganzoo import GanzooError
from ganzoo.interfaces import Draws, Masker
from ganzoo.weights import require_timm_model
from ganzoo_maskers.maps import mask_of
from ganzoo_maskers.pretrained import Normalize, drop_parts, fetch_weights, mismatch_error, read_weights, timm_weights


class Attention(Masker):
    """The attention of a timm vision transformer's class token to each patch: the token's row of softmax(q·kᵀ/√d).

    The map is the mean over heads (Caron et al. 2021, DINO), bilinearly resized to the image and scaled to [0, 1] by
    the minimum and maximum of each image (a constant map becomes 0). ``quantile`` makes it binary, and so does the
    option ``threshold`` of every masker. Networks trained without labels locate objects best: try
    ``vit_small_patch16_224.dino``.

    Args:
        model: the name of a timm model, with or without a tag of weights; it needs a class token.
        weights: a safetensors file or a torch state dict; by default timm's weights are downloaded once.
        quantile: if set, the mask is 1 for the fraction 1 − quantile of an image's pixels with the highest attention,
            and 0 elsewhere.
        block: the index of the attention block, from 0; or from the end: −1, −2, ….
        size: the side of the square that images are scaled to, in pixels, a multiple of the model's patch size; 0: the
            model's own. Larger is finer and slower.
    """

    def __init__(
        self,
        *,
        model: str = "vit_small_patch16_224",
        weights: Path | None = None,
        quantile: Annotated[float, Field(ge=0, lt=1)] | None = None,
        block: int = -1,
        size: Annotated[int, Field(ge=0)] = 0,
    ) -> None:
        super().__init__()
        self.quantile = quantile
        self.network = _make(model, weights, size)
        self._truncate(block, model)
        config = self.network.pretrained_cfg
        self.normalize = Normalize(config["mean"], config["std"])

    def _truncate(self, block: int, model: str) -> None:
        """Remove the blocks after the chosen one, and turn off fused attention in it, so that its softmax can be read.

        Raises GanzooError if there is no such block.
        """
        depth = len(self.network.blocks)
        if not -depth <= block < depth:
            raise GanzooError(f"attention: there is no block {block}; {model} has {depth}, 0 to {depth - 1}")
        del self.network.blocks[block % depth + 1 :]
        self.network.blocks[-1].attn.fused_attn = False

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode whatever ``mode`` is, because the network is frozen."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        """Return the masks, (B, 1, H, W) in [0, 1].

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        return mask_of(self.attention(image), image, self.quantile)

    @torch.no_grad()
    def attention(self, image: Tensor) -> Tensor:
        """Return the class token's attention to each patch, the mean over heads: (B, 1, rows, columns), float32.

        Raises GanzooError if the images do not have 1 or 3 channels.
        """
        captured: list[Tensor] = []
        drop = self.network.blocks[-1].attn.attn_drop
        hook = drop.register_forward_pre_hook(lambda _, entering: captured.append(entering[0]))
        try:
            with torch.autocast(image.device.type, enabled=False):
                side = self.network.patch_embed.img_size
                resized = F.interpolate(self.normalize(image), side, mode="bilinear", antialias=True)
                self.network.forward_features(resized)
        finally:
            hook.remove()
        (softmax,) = captured
        row = softmax[:, :, 0, self.network.num_prefix_tokens :].mean(1)
        return row.reshape(-1, 1, *self.network.patch_embed.grid_size)


def _make(model: str, weights: Path | None, size: int) -> Any:
    """Return the timm network with its weights, frozen, without its classifier.

    Raises GanzooError for an unknown or unsuitable model, a wrong size, and missing or wrong weights.
    """
    import timm
    from timm.models import get_pretrained_cfg

    require_timm_model(model, "attention")
    sized: dict[str, Any] = {"img_size": size} if size else {}
    # First without weights: check the model before anything is read or downloaded.
    try:
        network: Any = timm.create_model(model, num_classes=0, **sized)
    except TypeError:
        if not sized:
            raise
        raise GanzooError(f"attention: {model} takes no size: it is not a vision transformer; remove size") from None
    _check_kind(network, model)
    (patch, _) = network.patch_embed.patch_size
    if size % patch:
        raise GanzooError(
            f"attention: size is {size}; {model} uses patches of {patch} pixels: choose a multiple of {patch}"
        )
    file = weights or fetch_weights(timm_weights(model))
    config = get_pretrained_cfg(model)
    classifiers = config.classifier if config else ()
    state = drop_parts(read_weights(file), [classifiers] if isinstance(classifiers, str) else classifiers or ())
    # num_classes must equal the network's: otherwise timm loads the weights that fit and ignores the rest silently.
    overlay: dict[str, Any] = {"state_dict": state, "num_classes": 0}
    try:
        network = timm.create_model(model, True, pretrained_cfg_overlay=overlay, num_classes=0, **sized)
    except Exception as error:  # timm converts known layouts first, which fails in many ways
        raise mismatch_error(file, model, error) from None
    return network.requires_grad_(False).eval()


def _check_kind(network: Any, model: str) -> None:
    if getattr(network, "cls_token", None) is None or not getattr(network, "num_prefix_tokens", 0):
        raise GanzooError(f"attention: {model} has no class token; choose a vision transformer, such as deit or dino")
    blocks = getattr(network, "blocks", None) or []
    softmax = ("fused_attn", "attn_drop")
    if not blocks or not all(hasattr(getattr(one, "attn", None), name) for one in blocks for name in softmax):
        raise GanzooError(f"attention: {model} does not expose its attention; choose another vision transformer")
