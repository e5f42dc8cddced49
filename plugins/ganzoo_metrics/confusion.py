"""Confusion matrices of label maps and their scores (Long et al. 2015, section 5); ``miou`` uses them."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor


def confusion(truth: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Count the pixels of each true class by predicted class: (B, K, K + 1), rows are the truth, float32.

    Args:
        truth: (B, H, W) int64, 0 … K − 1, or −1 where a pixel does not count.
        predicted: (B, H, W) int64, 0 … K − 1, or K where a pixel was assigned no class.
        classes: K.

    >>> confusion(torch.tensor([[[0, 0, 1, -1]]]), torch.tensor([[[0, 1, 2, 0]]]), 2)
    tensor([[[1., 1., 0.],
             [0., 0., 1.]]])
    """
    cells = (truth.clamp(min=0) * (classes + 1) + predicted).flatten(1)
    counted = torch.zeros(len(cells), classes * (classes + 1), device=cells.device)
    return counted.scatter_add_(1, cells, (truth >= 0).flatten(1).float()).unflatten(1, (classes, classes + 1))


def scores(matrix: Tensor, left_out: Collection[int] = ()) -> dict[str, float]:
    """Return the pixel accuracy, the mean class accuracy and the mean intersection over union.

    The class accuracy is a mean over the classes in the truth; the last over the classes in truth or prediction.

    Args:
        matrix: (K, K + 1), summed over all images; at least one pixel must count.
        left_out: classes excluded from the mean intersection over union; none of the counted pixels has them as truth.
    """
    matrix = matrix.double()
    right, truth, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)[:-1]
    either = truth + predicted - right
    included = torch.tensor([one not in left_out for one in range(len(matrix))])
    accuracy, overlap = (right / one for one in (truth, either))
    return {
        "pixel_accuracy": float(right.sum() / truth.sum()),
        "class_accuracy": float(accuracy[truth > 0].mean()),
        "miou": float(overlap[included & (either > 0)].mean()),
    }
