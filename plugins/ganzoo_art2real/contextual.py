"""The contextual loss of patches (Mechrez et al. 2018) in Art2Real's form (Tomei et al. 2019, eq. 4 to 6)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from ganzoo_art2real.precision import full_precision

EPSILON = 1e-5
"""A number that is added to a row's least distance before the division by it."""
FLOOR = 1e-12
"""Minimum norm of a centred patch."""


def contextual_loss(patches: Tensor, bank: Tensor, mean: Tensor, *, bandwidth: float = 1.0, rows: int = 1024) -> Tensor:
    """Return −log(mean_i max_j A_ij), a scalar, for the patches k_i of one image, class and scale and bank patches b_j.

    With μ the mean of all the bank's patches, d_ij = 1 − cos(k_i − μ, b_j − μ), at least 0; d̃_ij = d_ij / (min_l d_il
    + 1e-5); A_ij = softmax_j((1 − d̃_ij) / h). A row's largest entry belongs to its least distance, so only
    −logsumexp_j((d̃_min − d̃_ij) / h) is stored for each row. The gradient flows into ``patches`` only, also through
    the row's minimum. The affinity A is never stored as a whole: backward computes it again, some rows at a time.

    Args:
        patches: the generated image's patches, (N, d) in [−1, 1].
        bank: the retrieved patches, (M, d), the union over all of ``patches``; it gets no gradient.
        mean: μ, (d,), the mean of all the bank's patches of the class and scale.
        bandwidth: h.
        rows: number of rows of the affinity in memory at a time.

    Computed in float32 (in float64 if the patches are): in bf16 small distances become 0, and dividing by their minimum
    explodes.
    """
    with full_precision(patches.device):
        kind = torch.promote_types(patches.dtype, torch.float32)
        mean = mean.to(patches.device, kind)
        centred = bank.detach().to(patches.device, kind) - mean
        targets = centred / centred.norm(dim=1, keepdim=True).clamp(min=FLOOR)
        best = [
            checkpoint(_best, chunk, targets, bandwidth, use_reentrant=False, preserve_rng_state=False)
            for chunk in (patches.to(kind) - mean).split(rows)
        ]
        return -(torch.cat(best).logsumexp(0) - torch.tensor(float(len(patches)), dtype=kind).log().to(patches.device))


def _best(centred: Tensor, targets: Tensor, bandwidth: float) -> Tensor:
    """Return log(max_j A_ij), (n,), for the rows of n centred patches."""
    directions = centred / centred.norm(dim=1, keepdim=True).clamp(min=FLOOR)
    with full_precision(centred.device):  # here too: backward runs this function again, outside the block above
        distances = (1 - directions @ targets.T).clamp(min=0)
    relative = distances / (distances.amin(1, keepdim=True) + EPSILON)
    return -((relative.amin(1, keepdim=True) - relative) / bandwidth).logsumexp(1)
