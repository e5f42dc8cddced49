"""Confusion matrices of label maps and their scores (Long et al. 2015, section 5); ``miou`` uses them."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor


def confusion(truth: Tensor, predicted: Tensor, classes: int) -> Tensor:
    """Count each image's pixels by true and predicted class: (B, K, K + 1), float32.

    Rows are true classes, columns predicted ones; the last column counts pixels that were assigned no class.

    Args:
        truth: the true classes, (B, H, W) int64: 0 … K − 1, or −1 for a pixel that does not count.
        predicted: the predicted classes, (B, H, W) int64: 0 … K − 1, or K for a pixel that was assigned no class.
        classes: K, the number of classes.

    >>> confusion(torch.tensor([[[0, 0, 1, -1]]]), torch.tensor([[[0, 1, 2, 0]]]), 2)
    tensor([[[1., 1., 0.],
             [0., 0., 1.]]])
    """
    cells = (truth.clamp(min=0) * (classes + 1) + predicted).flatten(1)
    counted = torch.zeros(len(cells), classes * (classes + 1), device=cells.device)
    return counted.scatter_add_(1, cells, (truth >= 0).flatten(1).float()).unflatten(1, (classes, classes + 1))


def scores(matrix: Tensor, left_out: Collection[int] = ()) -> dict[str, float]:
    """Return ``pixel_accuracy``, ``class_accuracy`` and ``miou`` (mean intersection over union), each in [0, 1].

    ``class_accuracy`` is a mean over the classes in the truth, ``miou`` over the classes in truth or prediction.

    Args:
        matrix: the confusion matrix, (K, K + 1), summed over all images; at least one pixel must count.
        left_out: the classes that ``miou`` leaves out; none of the counted pixels may have them as truth.
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
