"""Exact search of the nearest patches of a class and scale, and the interface and ranking of both searches.

Neighbours are the nearest raw patches by Euclidean distance (Tomei et al. 2019, section 3.1). Exact and approximate
search both end with ``rank``, which sorts by distances in float64, so they order the same neighbours equally.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import pad

from ganzoo import GanzooError
from ganzoo_art2real.bank import Bank, Scale
from ganzoo_art2real.precision import full_precision

SPARE = 8
"""Number of candidates beyond k that are ranked in float64, because float32 may misplace the last ones."""
MIN_ROWS = 16
"""Number of rows below which a matrix product may use another algorithm, with other rounding."""
MEMORY = 256 * 2**20
"""Approximate memory that a search uses, in bytes."""


class Searcher(ABC):
    """Interface of a search for neighbours among the patches of one class and scale.

    Args:
        bank: the bank of the patches.
        label: the class.
        scale: (patch, stride).

    Raises GanzooError for a scale that the bank does not have.
    """

    def __init__(self, bank: Bank, label: int, scale: tuple[int, int]) -> None:
        self.bank = bank
        self.label = label
        self.scale: Scale = bank.scale(scale)
        self.count = bank.count(label, scale)

    @torch.no_grad()
    def search(self, queries: Tensor, k: int) -> Tensor:
        """Return the nearest patches of each query, the nearest first; of equally near ones the lower number is first.

        Args:
            queries: patches (N, 3·patch²) float32 in [−1, 1], in the order of ``unfold``'s columns.
            k: number of neighbours.

        Returns:
            (N, min(k, number of patches)) int64 on the queries' device: window numbers, as ``Bank.patches`` takes them.

        Raises GanzooError for queries of another shape, such as those of another scale.
        """
        values = 3 * self.scale.patch**2
        if queries.ndim != 2 or queries.shape[1] != values:
            shape = tuple(queries.shape)
            raise GanzooError(f"queries for patches of {self.scale} must have the shape (N, {values}), not {shape}")
        k = min(k, self.count)
        if not k or not len(queries):
            return torch.empty(len(queries), k, dtype=torch.long, device=queries.device)
        has_float64 = queries.device.type in ("cpu", "cuda")
        return self.find((queries if has_float64 else queries.cpu()).float(), k).to(queries.device)

    @abstractmethod
    def find(self, queries: Tensor, k: int) -> Tensor:
        """Return the result of ``search`` for at least one query and k from 1 to ``count``; ``search`` calls it."""


class ExactSearch(Searcher):
    """An exact search: it compares each query with each patch, ‖q‖² − 2 q·b + ‖b‖², one chunk of the bank at a time.

    Args:
        bank: the bank whose patches are searched.
        label: the class whose patches are searched.
        scale: patch size and stride in pixels, one of the bank's scales.
        memory: approximate memory to use, in bytes; by default ``MEMORY``, or on a GPU a quarter of its free memory if
            that is more.
    """

    def __init__(self, bank: Bank, label: int, scale: tuple[int, int], *, memory: int | None = None) -> None:
        super().__init__(bank, label, scale)
        self.memory = memory
        self._numbers: dict[torch.device, Tensor] = {}

    def find(self, queries: Tensor, k: int) -> Tensor:
        """Return the window numbers of the k nearest patches, (N, k) int64, the nearest first."""
        values, memory = queries.shape[1], self.memory or MEMORY
        if not self.memory and queries.device.type == "cuda":
            memory = max(MEMORY, torch.cuda.mem_get_info(queries.device)[0] // 4)
        # Products with few rows may round the distances of equal patches differently, and miss the first of them.
        padded = pad(queries, (0, 0, 0, max(0, MIN_ROWS - len(queries))))
        rows = max(MIN_ROWS, min(len(padded), 4096, memory // (8 * values)))
        on_cpu = queries.device.type == "cpu"
        chunk = memory // ((12 if on_cpu else 20) * rows + 16 * values)
        chunk = max(k + SPARE, min(chunk, 16384) if on_cpu else chunk)
        nearest = self._nearest_pruned if on_cpu else self._nearest
        with full_precision(queries.device):
            blocks = padded.tensor_split(ceil(len(padded) / rows))
            candidates = torch.cat([nearest(block, k + SPARE, chunk) for block in blocks])
        return rank(self.bank, self.scale, queries, candidates[: len(queries)], k, memory=memory)

    def _nearest(self, queries: Tensor, count: int, chunk: int) -> Tensor:
        """Return window numbers of the nearest patches by float32 distances, (N, ≤ count).

        Nothing is copied from the device to the host.
        """
        best = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
        for start in range(0, self.count, chunk):
            distances, positions = self._distances(queries, start, chunk)
            smallest = min(count, distances.shape[1])
            keys = _keys(distances, positions).topk(smallest, dim=1, largest=False, sorted=False).values
            best = torch.cat([best, keys], dim=1).sort(1).values[:, :count]
        return self.numbers_on(queries.device)[best & 0xFFFFFFFF].long()

    def _nearest_pruned(self, queries: Tensor, count: int, chunk: int) -> Tensor:
        """Return the same as ``_nearest``, faster on a CPU: a chunk without a nearer patch for a query is skipped."""
        best = torch.empty(len(queries), 0, dtype=torch.long)
        for start in range(0, self.count, chunk):
            distances, _ = self._distances(queries, start, chunk)
            if best.shape[1] < count:
                best = _merge(best, distances, start, count)
                continue
            better = (distances.amin(1) < _distance(best[:, -1])).nonzero().flatten()
            if len(better):
                best[better] = _merge(best[better], distances[better], start, count)
        return self.numbers_on(queries.device)[best & 0xFFFFFFFF].long()

    def _distances(self, queries: Tensor, start: int, chunk: int) -> tuple[Tensor, Tensor]:
        """Return squared distances of queries to a chunk of the class, (N, n), and its patches' positions, (n,)."""
        numbers = self.numbers_on(queries.device)[start : start + chunk]
        patches = self.bank.patches(self.scale, numbers)
        squares = queries.square().sum(1, keepdim=True)
        distances = torch.addmm(patches.square().sum(1), queries, patches.T, alpha=-2).add_(squares).clamp_(min=0)
        return distances, torch.arange(start, start + len(numbers), device=queries.device)

    def numbers_on(self, device: torch.device) -> Tensor:
        """Return the class's window numbers on a device, (count,) int32; on a CPU they are memory-mapped."""
        if device not in self._numbers:
            self._numbers[device] = torch.from_numpy(self.bank.numbers(self.label, self.scale)).to(device)
        return self._numbers[device]


def rank(bank: Bank, scale: Scale, queries: Tensor, candidates: Tensor, k: int, *, memory: int = MEMORY) -> Tensor:
    """Return the k nearest of each query's candidates, (N, k) window numbers, sorted by distance, then by number.

    Distances are in float64; if there are many candidates, float32 distances first select k + ``SPARE``.

    Args:
        bank: the bank of the patches.
        scale: patch and stride.
        queries: patches (N, d) float32 in [−1, 1].
        candidates: window numbers (N, at least k); −1 stands for no candidate and is sorted to the end.
        k: number of neighbours.
        memory: approximate memory to use, in bytes.
    """
    rows = max(1, memory // (24 * candidates.shape[1] * queries.shape[1]))
    neighbours = []
    for block, numbers in zip(queries.split(rows), candidates.long().split(rows), strict=True):
        if numbers.shape[1] > k + SPARE:
            numbers = _first(bank, scale, block, numbers, k + SPARE, torch.float32)
        neighbours.append(_first(bank, scale, block, numbers, k, torch.float64))
    return torch.cat(neighbours)


def _first(bank: Bank, scale: Scale, queries: Tensor, candidates: Tensor, k: int, dtype: torch.dtype) -> Tensor:
    candidates = candidates.sort(1).values  # the sort by distance is stable and keeps this order for equal distances
    patches = bank.patches(scale, candidates.clamp(min=0).flatten()).to(dtype).view(*candidates.shape, -1)
    distances = patches.sub_(queries.to(dtype)[:, None]).square_().sum(2)
    order = distances.masked_fill_(candidates < 0, torch.inf).sort(dim=1, stable=True).indices
    return candidates.gather(1, order[:, :k])


def _merge(best: Tensor, distances: Tensor, start: int, count: int) -> Tensor:
    """Return the ``count`` smallest keys of ``best`` and of a chunk's patches, ascending, (N, ≤ count)."""
    smallest = distances.topk(min(count, distances.shape[1]), dim=1, largest=False)
    keys = _keys(smallest.values, smallest.indices + start)
    # topk picks any of several equal distances; where more patches are as near as its last, take the lower positions.
    tied = ((distances <= smallest.values.amax(1, keepdim=True)).sum(1) > keys.shape[1]).nonzero().flatten()
    for rows in tied.split(256):
        positions = torch.arange(start, start + distances.shape[1], device=distances.device)
        keys[rows] = _keys(distances[rows], positions).topk(keys.shape[1], dim=1, largest=False).values
    merged = torch.cat([best, keys], dim=1)
    return merged.sort(1).values[:, :count]


def _keys(distances: Tensor, positions: Tensor) -> Tensor:
    """Return integers that sort by distance, then by position: bits of non-negative floats sort as the floats do."""
    return distances.abs().view(torch.int32).long() << 32 | positions  # abs: the bits of −0 would sort first


def _distance(keys: Tensor) -> Tensor:
    return (keys >> 32).int().view(torch.float32)
