"""The features of earlier images, with which a discriminator compares the features of an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor


class FeatureHistory:
    """A store of the latest features, with a history for each position in the global batch.

    So the result does not depend on the number of processes. With a batch of one image it is the released code's queue.

    Args:
        size: the number of features in each position's history.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._stored: dict[int, list[Tensor]] = {}
        self._before: dict[int, list[Tensor]] = {}
        """Position in the latest step → its history before that step, for ``undo``."""
        self._own: set[int] = set()
        """Positions of this process: those that stored features since a state was loaded."""

    def recall(self, features: Tensor, positions: Sequence[int]) -> Tensor:
        """Return the earlier features of each position, (B, k, C, h, w), with k up to ``size``; at first k = 0.

        Features of another shape, from images of another size, are left out.

        Args:
            features: the features of this step's images, (B, C, h, w).
            positions: each image's position in the global batch (``step.positions``).
        """
        shape = features.shape[1:]
        rows = [[old for old in self._stored.get(one, ()) if old.shape == shape] for one in positions]
        count = min(map(len, rows))
        if not count:
            return features.new_zeros(len(features), 0, *shape)
        return torch.stack([torch.stack(row[-count:]) for row in rows]).to(features)

    def push(self, features: Tensor, positions: Sequence[int]) -> None:
        """Store a step's features (B, C, h, w), detached; the oldest of a full history are dropped."""
        self._own.update(positions)
        # A repeated position starts a new step; other positions are micro-batches of the same step.
        if not self._before.keys().isdisjoint(positions):
            self._before.clear()
        for one, position in zip(features.detach(), positions, strict=True):
            self._before[position] = history = self._stored.get(position, [])
            copy = one.clone(memory_format=torch.contiguous_format)  # a slice would keep its whole batch in memory
            self._stored[position] = [*history, copy][-self.size :]

    def undo(self) -> None:
        """Restore the histories from before the latest step; a second call changes nothing."""
        self._stored.update(self._before)
        self._before.clear()

    def state_dict(self) -> dict[str, Tensor]:
        """Return all features, ``"POSITION.NUMBER"`` → (C, h, w); the keys of different processes differ."""
        return {
            f"{position}.{number}": features
            for position, history in self._stored.items()
            if position in self._own or not self._own
            for number, features in enumerate(history)
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Replace all features by those of ``state_dict``, or of the merged states of several processes."""
        self._before.clear()
        self._stored.clear()
        self._own.clear()
        for position, number in sorted(tuple(map(int, key.split("."))) for key in state):
            self._stored.setdefault(position, []).append(state[f"{position}.{number}"])
