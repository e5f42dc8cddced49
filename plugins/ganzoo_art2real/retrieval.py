"""The nearest patches of a class and scale, by Euclidean distance: exactly, and the choice between the two ways.

Nearest neighbours are sought on raw patches (Tomei et al. 2019, section 3.1); both ways end with ``ranked``, which
orders what they found by distances in float64, so that they differ in what they find alone, never in its order.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import ceil
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from ganzoo import GanzooError
from ganzoo_art2real.bank import Bank, Scale
from ganzoo_art2real.precision import full_precision

Way = Literal["auto", "exact", "approximate"]
EXACT_UP_TO = 10_000
"""Patches up to which a CPU is about as fast without an index; see benchmarks/retrieval.py."""
SPARE = 8
"""Candidates beyond k that are ranked in float64, as float32 may have misplaced the last of them."""
FEW = 16
"""Rows below which a matrix product may be computed in another way."""
MEMORY = 256 * 2**20
"""Bytes that a search may take for itself at a time, about."""


class Searcher(ABC):
    """Finds neighbours among the patches of one class and scale.

    Args:
        bank: where they are.
        label: the class.
        scale: (patch, stride).
    """

    def __init__(self, bank: Bank, label: int, scale: tuple[int, int]) -> None:
        self.bank = bank
        self.label = label
        self.scale: Scale = bank.scale(scale)
        self.count = bank.count(label, scale)

    @torch.no_grad()
    def search(self, queries: Tensor, k: int) -> Tensor:
        """Return the k nearest patches of each query, the nearest first, of equally near ones that of lower number.

        Args:
            queries: (N, 3·patch²) float32 in [−1, 1], laid out as the columns of ``unfold``.
            k: how many.

        Returns:
            (N, min(k, patches there are)) int64 on the queries' device, window numbers such as ``Bank.patches`` cuts.

        Raises GanzooError for queries of another scale.
        """
        wide = 3 * self.scale.patch**2
        if queries.ndim != 2 or queries.shape[1] != wide:
            raise GanzooError(f"patches of {self.scale} in three colours are (N, {wide}), not {tuple(queries.shape)}")
        k = min(k, self.count)
        if not k or not len(queries):
            return torch.empty(len(queries), k, dtype=torch.long, device=queries.device)
        able = queries.device.type in ("cpu", "cuda")  # others know no float64
        return self.find((queries if able else queries.cpu()).float(), k).to(queries.device)

    @abstractmethod
    def find(self, queries: Tensor, k: int) -> Tensor:
        """Do what ``search`` says, with one query at least and 1 … ``count`` neighbours to find."""


class Exact(Searcher):
    """Compares each query with each patch: ‖q‖² − 2 q·b + ‖b‖², a chunk of the bank at a time, cut on demand.

    Args:
        bank: as ``Searcher``'s.
        label: likewise.
        scale: likewise.
        memory: bytes that may be taken, about; by default ``MEMORY``, on a GPU a quarter of what is free.
    """

    def __init__(self, bank: Bank, label: int, scale: tuple[int, int], *, memory: int | None = None) -> None:
        super().__init__(bank, label, scale)
        self.memory = memory
        self._places: dict[torch.device, Tensor] = {}

    def find(self, queries: Tensor, k: int) -> Tensor:
        """Find the k nearest."""
        wide, memory = queries.shape[1], self.memory or MEMORY
        if not self.memory and queries.device.type == "cuda":
            memory = max(MEMORY, torch.cuda.mem_get_info(queries.device)[0] // 4)
        # Products with few rows may round twins apart, so that the first of them would not be found.
        padded = pad(queries, (0, 0, 0, max(0, FEW - len(queries))))
        rows = max(FEW, min(len(padded), 4096, memory // (8 * wide)))
        on_cpu = queries.device.type == "cpu"
        chunk = memory // ((12 if on_cpu else 20) * rows + 16 * wide)
        chunk = max(k + SPARE, min(chunk, 16384) if on_cpu else chunk)
        nearest = self._nearest_pruned if on_cpu else self._nearest
        with full_precision(queries.device):
            blocks = padded.tensor_split(ceil(len(padded) / rows))
            found = torch.cat([nearest(block, k + SPARE, chunk) for block in blocks])
        return ranked(self.bank, self.scale, queries, found[: len(queries)], k, memory=memory)

    def _nearest(self, queries: Tensor, wanted: int, chunk: int) -> Tensor:
        """Return the nearest by float32, (N, ≤ wanted), without reading anything back from the device."""
        best = torch.empty(len(queries), 0, dtype=torch.long, device=queries.device)
        for start in range(0, self.count, chunk):
            distances, places = self._distances(queries, start, chunk)
            least = min(wanted, distances.shape[1])
            keys = _keys(distances, places).topk(least, dim=1, largest=False, sorted=False).values
            best = torch.cat([best, keys], dim=1).sort(1).values[:, :wanted]
        return self.numbers_on(queries.device)[best & 0xFFFFFFFF].long()

    def _nearest_pruned(self, queries: Tensor, wanted: int, chunk: int) -> Tensor:
        """Return the same, looking closer at those queries alone that a chunk has something for: faster on a CPU."""
        best = torch.empty(len(queries), 0, dtype=torch.long)
        for start in range(0, self.count, chunk):
            distances, _ = self._distances(queries, start, chunk)
            if best.shape[1] < wanted:
                best = _merge(best, distances, start, wanted)
                continue
            better = (distances.amin(1) < _distance(best[:, -1])).nonzero().flatten()
            if len(better):
                best[better] = _merge(best[better], distances[better], start, wanted)
        return self.numbers_on(queries.device)[best & 0xFFFFFFFF].long()

    def _distances(self, queries: Tensor, start: int, chunk: int) -> tuple[Tensor, Tensor]:
        """Return squared distances of queries and a chunk of the bank, (N, chunk), and the chunk's places, (chunk,)."""
        part = self.numbers_on(queries.device)[start : start + chunk]
        patches = self.bank.patches(self.scale, part)
        own = queries.square().sum(1, keepdim=True)
        distances = torch.addmm(patches.square().sum(1), queries, patches.T, alpha=-2).add_(own).clamp_(min=0)
        return distances, torch.arange(start, start + len(part), device=queries.device)

    def numbers_on(self, device: torch.device) -> Tensor:
        """Return the class's windows on a device, (count,) int32; a CPU has them mapped from the disk."""
        if device not in self._places:
            self._places[device] = torch.from_numpy(self.bank.numbers(self.label, self.scale)).to(device)
        return self._places[device]


def ranked(bank: Bank, scale: Scale, queries: Tensor, candidates: Tensor, k: int, *, memory: int = MEMORY) -> Tensor:
    """Return the k nearest of each query's candidates by distances in float64, of equally near ones the lower number.

    Args:
        bank: where the patches are.
        scale: theirs.
        queries: (N, d) float32.
        candidates: (N, at least k) window numbers; −1 is none.
        k: how many are wanted.
        memory: bytes that may be taken, about.
    """
    rows = max(1, memory // (24 * candidates.shape[1] * queries.shape[1]))
    kept = []
    for block, some in zip(queries.split(rows), candidates.long().split(rows), strict=True):
        if some.shape[1] > k + SPARE:
            some = _first(bank, scale, block, some, k + SPARE, torch.float32)
        kept.append(_first(bank, scale, block, some, k, torch.float64))
    return torch.cat(kept)


def _first(bank: Bank, scale: Scale, queries: Tensor, candidates: Tensor, k: int, kind: torch.dtype) -> Tensor:
    candidates = candidates.sort(1).values  # the sort by distance is stable, and keeps equals in this order
    patches = bank.patches(scale, candidates.clamp(min=0).flatten()).to(kind).view(*candidates.shape, -1)
    distances = patches.sub_(queries.to(kind)[:, None]).square_().sum(2)
    order = distances.masked_fill_(candidates < 0, torch.inf).sort(dim=1, stable=True).indices
    return candidates.gather(1, order[:, :k])


def searcher(
    bank: Bank, label: int, scale: tuple[int, int], *, device: str | torch.device = "cpu", way: Way = "auto"
) -> Searcher:
    """Return what finds the neighbours of a class and scale.

    Args:
        bank: where they are.
        label: the class.
        scale: (patch, stride).
        device: on which the queries will be.
        way: ``auto`` takes ``exact`` on a GPU and for up to ``EXACT_UP_TO`` patches, else ``approximate``, for which
            there is nothing to learn from a few.
    """
    if way == "auto":
        few = bank.count(label, scale) <= EXACT_UP_TO
        way = "exact" if few or torch.device(device).type == "cuda" else "approximate"
    if way == "exact":
        return Exact(bank, label, scale)
    from ganzoo_art2real.approximate import LEAST, Approximate  # faiss is loaded only where it is used

    return Approximate(bank, label, scale) if bank.count(label, scale) >= LEAST else Exact(bank, label, scale)


def _merge(best: Tensor, distances: Tensor, start: int, wanted: int) -> Tensor:
    """Return the least ``wanted`` keys of those there are and a chunk's, ascending, (N, ≤ wanted)."""
    least = distances.topk(min(wanted, distances.shape[1]), dim=1, largest=False)
    keys = _keys(least.values, least.indices + start)
    # topk chooses as it likes among equals, so where more are as near as its last, the lower places are sought.
    crowded = ((distances <= least.values.amax(1, keepdim=True)).sum(1) > keys.shape[1]).nonzero().flatten()
    for some in crowded.split(256):
        places = torch.arange(start, start + distances.shape[1], device=distances.device)
        keys[some] = _keys(distances[some], places).topk(keys.shape[1], dim=1, largest=False).values
    merged = torch.cat([best, keys], dim=1)
    return merged.sort(1).values[:, :wanted]


def _keys(distances: Tensor, places: Tensor) -> Tensor:
    """Return whole numbers that sort by distance, then place: the bits of a float that is not negative sort as it."""
    return distances.abs().view(torch.int32).long() << 32 | places  # abs: the bits of −0 would sort first


def _distance(keys: Tensor) -> Tensor:
    return (keys >> 32).int().view(torch.float32)
