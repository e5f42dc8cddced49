"""Multiply spectral norm and weight norm into the weights, as ganzoo's networks have neither."""

from __future__ import annotations

import torch
from torch import Tensor

# Each form: the stored weight, and its other tensors, by the end of their names. Miyato et al. 2018; Salimans and
# Kingma 2016. MUNIT's code has a spectral norm of its own, around the convolution.
SPECTRAL = (
    ("weight_orig", "weight_u", "weight_v"),
    ("parametrizations.weight.original", "parametrizations.weight.0._u", "parametrizations.weight.0._v"),
    ("module.weight_bar", "module.weight_u", "module.weight_v"),
)
FOLDED = "spectral norm or weight norm multiplied into the weights"
"""What the summary of an import says of such a network."""
WEIGHT = (("weight_g", "weight_v"), ("parametrizations.weight.original0", "parametrizations.weight.original1"))


def fold_weight_norms(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict in which each weight is the one that the network computes with in evaluation mode.

    >>> state = {"c.weight_g": torch.full((2, 1), 5.0), "c.weight_v": torch.eye(2)}
    >>> fold_weight_norms(state)["c.weight"].tolist()
    [[5.0, 0.0], [0.0, 5.0]]
    """
    folded = dict(state)
    for name in state:
        for stored, u, v in SPECTRAL:
            if name.endswith(f".{stored}"):
                layer = name.removesuffix(stored)
                weight = folded.pop(name)
                folded.pop(f"{layer}weight", None)  # old torch saves the quotient too
                left, right = folded.pop(f"{layer}{u}", None), folded.pop(f"{layer}{v}", None)
                folded[f"{layer}weight"] = weight if left is None else weight / _spectral_norm(weight, left, right)
                if (bias := folded.pop(f"{layer}module.bias", None)) is not None:
                    folded[f"{layer}bias"] = bias
        for length, direction in WEIGHT:
            if name.endswith(f".{length}") and f"{name.removesuffix(length)}{direction}" in folded:
                layer = name.removesuffix(length)
                scale, vector = folded.pop(name), folded.pop(f"{layer}{direction}")
                axes = [axis for axis in range(vector.dim()) if scale.shape[axis] == 1]
                folded[f"{layer}weight"] = scale * vector / vector.square().sum(axes, keepdim=True).sqrt()
    return folded


def _spectral_norm(weight: Tensor, left: Tensor, right: Tensor | None) -> Tensor:
    """Return uᵀWv. W has a row for each output channel, which for transposed convolutions is the second axis."""
    sums = []
    for axis in (0, 1):
        rows = weight.transpose(0, axis).flatten(1)
        if rows.shape[0] != len(left) or (right is not None and rows.shape[1] != len(right)):
            continue
        column = torch.nn.functional.normalize(rows.T @ left, dim=0) if right is None else right
        image = rows @ column
        sums.append((float(torch.nn.functional.cosine_similarity(image, left, dim=0)), left @ image))
    if not sums:
        raise ValueError(f"spectral norm of a weight of {tuple(weight.shape)} with a vector of {len(left)}")
    return max(sums, key=lambda one: one[0])[1]  # with equal channels both axes fit: u is along the right one
