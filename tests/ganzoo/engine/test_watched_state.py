"""Changes of a method's state are noticed, however its ``state_dict`` makes the tensors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ganzoo.engine.watched_state import WatchedState


def test_tensors_that_were_changed_in_place_or_replaced_differ() -> None:
    state = {"a": torch.ones(2), "b": torch.zeros(1)}
    assert not WatchedState(state).differs_from(dict(state))
    others: tuple[dict[str, Tensor], ...] = (
        {"a": torch.zeros(2)},
        {"a": torch.ones(3)},
        {"a": torch.ones(2, dtype=torch.float64)},
        {"c": torch.ones(2)},
    )
    for other in others:
        assert WatchedState(state).differs_from({**state, **other})
    assert WatchedState(state).differs_from({"a": state["a"]})
    watched = WatchedState(state)
    state["a"].mul_(1)  # in place, though to the same values
    assert watched.differs_from(state)


def test_tensors_that_are_made_at_each_call_are_compared_by_their_values() -> None:
    """As Art2Real's snapshot: detached weights, and a number."""
    network = nn.Linear(2, 2)

    def state(epoch: int) -> dict[str, Tensor]:
        return {**network.state_dict(), "epoch": torch.tensor(epoch)}

    watched = WatchedState(state(40))
    assert not watched.differs_from(state(40))
    assert watched.differs_from(state(60))
    with torch.no_grad():
        network.weight[0, 0] += 1
    assert watched.differs_from(state(40))
