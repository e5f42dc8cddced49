"""Confusion matrices against counting pixel by pixel, and scores against their definitions in words."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from ganzoo_metrics.confusion import confusion, scores

K = 5


def maps(seed: int = 0, lowest: int = 0, beyond: int = 0) -> Tensor:
    drawn = torch.Generator().manual_seed(seed)
    return torch.randint(lowest, K + beyond, (3, 6, 7), generator=drawn)


def plainly(truth: Tensor, predicted: Tensor, left_out: Sequence[int] = ()) -> dict[str, float]:
    pairs = [(t, p) for t, p in zip(truth.flatten().tolist(), predicted.flatten().tolist(), strict=True) if t >= 0]
    accuracies, overlaps = [], []
    for one in range(K):
        of_it = [p for t, p in pairs if t == one]
        union = [(t, p) for t, p in pairs if one in (t, p)]
        hits = sum(p == one for p in of_it)
        if of_it and one not in left_out:
            accuracies.append(hits / len(of_it))
        if union and one not in left_out:
            overlaps.append(hits / len(union))
    return {
        "pixel_accuracy": sum(t == p for t, p in pairs) / len(pairs),
        "class_accuracy": sum(accuracies) / len(accuracies),
        "miou": sum(overlaps) / len(overlaps),
    }


def test_the_matrix_counts_pixels() -> None:
    truth, predicted = maps(0, lowest=-1), maps(1, beyond=1)
    found = confusion(truth, predicted, K)
    assert found.shape == (3, K, K + 1)
    for i in range(3):
        for t in range(K):
            for p in range(K + 1):
                assert int(found[i, t, p]) == int(((truth[i] == t) & (predicted[i] == p)).sum())
    assert int(found.sum()) == int((truth >= 0).sum()) < truth.numel()


@pytest.mark.parametrize("left_out", [(), (0,), (1, 4)])
def test_the_scores(left_out: Sequence[int]) -> None:
    truth = maps(0, lowest=-1)
    predicted = torch.where(maps(2) < 3, truth.clamp(min=0), maps(1, beyond=1))
    for gone in left_out:
        truth = torch.where(truth == gone, -1, truth)
    found = scores(confusion(truth, predicted, K).sum(0), left_out)
    assert found == pytest.approx(plainly(truth, predicted, left_out), rel=1e-12)
    assert len(set(found.values())) == 3


def test_classes_that_are_nowhere_are_left_out() -> None:
    """One that is only predicted counts against the overlap, and against no class's accuracy."""
    truth = torch.tensor([[[0, 0, 1, 1]]])
    assert scores(confusion(truth, truth, K).sum(0)) == {"pixel_accuracy": 1, "class_accuracy": 1, "miou": 1}
    found = scores(confusion(truth, torch.tensor([[[0, 0, 1, 3]]]), K).sum(0))
    assert found == {"pixel_accuracy": 0.75, "class_accuracy": 0.75, "miou": 0.5}
    found = scores(confusion(truth, torch.tensor([[[0, 0, 1, K]]]), K).sum(0))  # taken for nothing
    assert found == {"pixel_accuracy": 0.75, "class_accuracy": 0.75, "miou": 0.75}


def test_pixels_count_alike_in_small_images_and_large_ones() -> None:
    one, other = confusion(maps(0)[:1], maps(1)[:1], K), confusion(maps(3)[:, :2, :2], maps(4)[:, :2, :2], K)
    truth, predicted = (torch.cat([maps(a)[:1].flatten(), maps(b)[:, :2, :2].flatten()]) for a, b in ((0, 3), (1, 4)))
    together = scores(torch.cat([one, other]).sum(0))
    assert together == pytest.approx(plainly(truth, predicted), rel=1e-12)
