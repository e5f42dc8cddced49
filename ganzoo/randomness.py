"""Random draws from keys: the run's seed, the global step, the sample's index in the run, and a purpose.

So the numbers do not depend on how many processes share a batch, switching one part off does not change the draws of
the others, and a resumed run needs no saved generator state.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor


def keyed(*key: int | str) -> np.random.Generator:
    """Return a numpy generator (Philox) for a key; equal keys give equal draws on every machine.

    >>> float(keyed(0, "flip").random()) == float(keyed(0, "flip").random())
    True
    """
    return np.random.Generator(np.random.Philox(key=_hash(key)))


def torch_seed(*key: int | str) -> int:
    """Return a seed below 2**63 for torch's own generator, which modules such as dropout use."""
    return _hash(key) >> 65


def _hash(key: tuple[int | str, ...]) -> int:
    return int.from_bytes(blake2b(repr(key).encode(), digest_size=16).digest(), "big")


class Draws:
    """Random draws for a batch, with one generator for each sample: row i depends only on sample i's key.

    Each method returns a tensor on the CPU whose first axis is the batch; move it to the device where it is used.
    """

    def __init__(self, generators: Sequence[np.random.Generator]) -> None:
        self.generators = list(generators)

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        """Draw from U[low, high): (B, *shape), float32."""
        rows = [generator.random(shape, dtype=np.float32) for generator in self.generators]
        return torch.from_numpy(np.stack(rows)) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Draw from N(0, 1): (B, *shape), float32."""
        rows = [generator.standard_normal(shape, dtype=np.float32) for generator in self.generators]
        return torch.from_numpy(np.stack(rows))

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Draw integers from {low, …, high − 1}: (B, *shape), int64."""
        return torch.from_numpy(np.stack([generator.integers(low, high, shape) for generator in self.generators]))
