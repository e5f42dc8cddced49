"""Notice whether a step changed the state of a method, without copying it."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class WatchedState:
    """The tensors of a state at one moment, and the numbers of their versions.

    Args:
        state: name → tensor, as a method's ``state_dict`` returns it.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        self._versions = {name: (tensor, tensor._version) for name, tensor in state.items()}

    def differs_from(self, state: Mapping[str, Tensor]) -> bool:
        """Return whether a state has other names, or tensors that were changed or replaced by others.

        A new tensor with equal values is no change, as a ``state_dict`` may make its tensors at each call.
        """
        return state.keys() != self._versions.keys() or any(
            tensor._version != version or not _is_equal(state[name], tensor)
            for name, (tensor, version) in self._versions.items()
        )


def _is_equal(one: Tensor, other: Tensor) -> bool:
    alike = (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device)
    return one is other or (alike and torch.equal(one, other))
