"""The histories of features: by position, of limited length, restorable."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo_uvcgan.history import FeatureHistory


def features(value: float, count: int = 2, side: int = 2) -> Tensor:
    return value + torch.arange(count)[:, None, None, None] * 10 + torch.zeros(count, 1, side, side)


def values(history: FeatureHistory, positions: tuple[int, ...] = (0, 1), side: int = 2) -> list[list[float]]:
    return [[float(one.mean()) for one in row] for row in history.recall(features(0, len(positions), side), positions)]


def test_each_position_recalls_its_latest_features() -> None:
    history = FeatureHistory(2)
    assert history.recall(features(0), (0, 1)).shape == (2, 0, 1, 2, 2)
    for value in (1, 2, 3):
        history.push(features(value), (0, 1))
    assert values(history) == [[2, 3], [12, 13]]
    assert values(history, (1,)) == [[12, 13]]


def test_two_processes_together_are_one() -> None:
    one, first, second = FeatureHistory(2), FeatureHistory(2), FeatureHistory(2)
    for value in (1, 2):
        batch = features(value)
        one.push(batch, (0, 1))
        first.push(batch[:1], (0,))
        second.push(batch[1:], (1,))
    merged = FeatureHistory(2)
    merged.load_state_dict({**first.state_dict(), **second.state_dict()})
    assert values(merged) == values(one)
    merged.push(features(3)[:1], (0,))
    assert all(key.startswith("0.") for key in merged.state_dict())


def test_features_of_another_size_are_left_out() -> None:
    history = FeatureHistory(3)
    history.push(features(1), (0, 1))
    history.push(features(2, side=3), (0, 1))
    assert values(history) == [[1], [11]] and values(history, side=3) == [[2], [12]]


def test_stored_features_are_copies_without_gradients() -> None:
    history, maps = FeatureHistory(1), features(1).requires_grad_()
    history.push(maps, (0, 1))
    with torch.no_grad():
        maps.zero_()
    assert values(history) == [[1], [11]] and not history.recall(maps, (0, 1)).requires_grad


def test_undo_restores_the_step_before_with_all_its_micro_batches() -> None:
    history = FeatureHistory(2)
    for value in (1, 2, 3):
        history.push(features(value), (0, 1))
        history.push(features(value), (2, 3))
    history.undo()
    assert values(history, (0, 1, 2, 3)) == [[1, 2], [11, 12]] * 2
    history.undo()
    assert values(history) == [[1, 2], [11, 12]]
    new = FeatureHistory(2)
    new.push(features(1), (0, 1))
    new.undo()
    assert new.recall(features(0), (0, 1)).shape[1] == 0 and new.state_dict() == {}


def test_the_state_is_restored() -> None:
    history, other = FeatureHistory(2), FeatureHistory(2)
    for value in (1, 2, 3):
        history.push(features(value), (0, 1))
    other.push(features(9), (0, 1))
    other.load_state_dict(history.state_dict())
    assert values(other) == values(history)
    other.load_state_dict({})
    assert other.state_dict() == {}
