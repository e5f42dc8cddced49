"""Random numbers from keys, which consist of the run's seed, the global step, the sample's index and a purpose.

So the numbers do not depend on how many processes share a batch, a part that is switched off does not change the
numbers of other parts, and a resumed run needs no saved generator state.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor


def keyed(*key: int | str) -> np.random.Generator:
    """Return a random generator of numpy (Philox) for a key; equal keys give equal draws on every machine.

    >>> float(keyed(0, "flip").random()) == float(keyed(0, "flip").random())
    True
    """
    return np.random.Generator(np.random.Philox(key=_hash(key)))


def torch_seed(*key: int | str) -> int:
    """Return a seed for torch's own generator, from 0 to 2**63 − 1; equal keys give equal seeds."""
    return _hash(key) >> 65


def _hash(key: tuple[int | str, ...]) -> int:
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=16).digest(), "big")


class Draws:
    """Random draws for a batch of B samples; row i depends only on the generator of sample i.

    Each method returns a tensor on the CPU; move it to the device that needs it.

    Args:
        generators: one generator for each sample.
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self.generators = list(generators)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Return draws from U[low, high), a float32 tensor (B, *shape)."""
        rows = [generator.random(shape, dtype=np.float32) for generator in self.generators]
        return _to_tensor(rows) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Return draws from N(0, 1), a float32 tensor (B, *shape)."""
        rows = [generator.standard_normal(shape, dtype=np.float32) for generator in self.generators]
        return _to_tensor(rows)

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Return integers drawn uniformly from {low, …, high − 1}, an int64 tensor (B, *shape)."""
        return _to_tensor([generator.integers(low, high, shape) for generator in self.generators])


def _to_tensor(rows: Sequence[np.ndarray]) -> Tensor:
    import torch  # not at the top: data sets are imported to check a recipe before torch is

    return torch.from_numpy(np.stack(rows))
