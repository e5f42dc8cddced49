"""Approximate search by Faiss: principal components of 8 bits in inverted lists, learnt once and kept in the bank.

Of a 16×16 patch's 768 numbers 64 components tell the neighbours nearly as well (benchmarks/retrieval.py), and take 72
bytes a patch with its place, which are mapped from the disk. What the lists give is then ranked by the patches.
"""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import faiss
import psutil
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.retrieval import MEMORY, Exact, Searcher, ranked

LEAST = 2000
"""Patches below which there is nothing to learn lists from."""
LISTS = 4096
"""The most lists; else twice the root of the number of patches."""
SEEN = 40
"""Patches a list that are looked at to place them."""
FORMAT = 1


class Approximate(Searcher):
    """Looks into the lists that are nearest to a query, then ranks the best of their patches exactly.

    The same bank and options give the same index and the same neighbours. It is learnt when there is none yet: about a
    second for 100,000 patches. One that a kill cut short is never read.

    Args:
        bank: as ``Searcher``'s.
        label: likewise.
        scale: likewise.
        components: numbers kept of a patch; 0: a third of them, but 32 … 64.
        lists: that are looked into for a query.
        candidates: patches that are ranked exactly, for each that is wanted.
        memory: bytes that may be taken at a time, about.

    Raises GanzooError when the index cannot be written.
    """

    def __init__(
        self,
        bank: Bank,
        label: int,
        scale: tuple[int, int],
        *,
        components: int = 0,
        lists: int = 32,
        candidates: int = 12,
        memory: int = MEMORY,
    ) -> None:
        super().__init__(bank, label, scale)
        wide = 3 * self.scale.patch**2
        self.memory = memory
        self.components = min(wide, components or min(64, max(32, wide // 3)))
        self.all_lists = max(1, min(LISTS, round(2 * self.count**0.5), self.count // SEEN))
        self.candidates = candidates
        self.index = self._read() or self._learn()
        faiss.extract_index_ivf(self.index).nprobe = lists

    @property
    def file(self) -> Path:
        """Where the index lies: its name tells the bank's key and all that it depends on."""
        made_of = [FORMAT, faiss.__version__, self.bank.key, self.components, self.all_lists, SEEN]
        key = sha256(json.dumps(made_of).encode()).hexdigest()[:12]
        return self.bank.folder / f"index-{self.scale.patch}-{self.scale.stride}-{self.label}-{key}.faiss"

    def find(self, queries: Tensor, k: int) -> Tensor:
        """Find the k nearest of those that lie in the lists which are looked into."""
        wanted = min(self.count, k * self.candidates)
        _, places = self.index.search(queries.cpu().numpy(), wanted)
        numbers = torch.from_numpy(self.bank.numbers(self.label, self.scale)[places].astype("int64"))
        numbers[torch.from_numpy(places) < 0] = -1  # the lists looked into held fewer
        found = ranked(self.bank, self.scale, queries, numbers.to(queries.device), k, memory=self.memory)
        short = (found < 0).any(1)
        if short.any():
            found[short] = Exact(self.bank, self.label, self.scale, memory=self.memory).find(queries[short], k)
        return found

    def _read(self) -> Any:
        """Return the index that lies in the bank, or None."""
        if not self.file.is_file():
            return None
        try:
            index = faiss.read_index(str(self.file), faiss.IO_FLAG_MMAP)
        except RuntimeError:  # damaged: it is learnt again
            return None
        return index if index.ntotal == self.count else None

    def _learn(self) -> Any:
        """Learn components and lists from a part of the patches, evenly spread, and sort all of them in."""
        wide = 3 * self.scale.patch**2
        numbers = self.bank.numbers(self.label, self.scale)
        chunk = max(1024, self.memory // (16 * wide))
        index: Any = faiss.index_factory(wide, f"PCA{self.components},IVF{self.all_lists},SQ8")
        turn, lists = faiss.downcast_VectorTransform(index.chain.at(0)), faiss.extract_index_ivf(index)
        spread = torch.linspace(0, self.count - 1, min(self.count, SEEN * self.all_lists), dtype=torch.float64).long()
        sample = torch.tensor(numbers[spread.numpy()])
        turn.train(self._cut(sample[:: -(-len(sample) // chunk)]))
        lists.train(torch.cat([torch.from_numpy(turn.apply(self._cut(part))) for part in sample.split(chunk)]).numpy())
        index.is_trained = True
        for start in range(0, self.count, chunk):
            index.add(self._cut(torch.tensor(numbers[start : start + chunk])))
        self._write(index)
        return self._read() or index

    def _cut(self, numbers: Tensor) -> Any:
        return self.bank.patches(self.scale, numbers).numpy()

    def _write(self, index: Any) -> None:
        for left in self.bank.folder.glob(f".{self.file.name}.*"):  # by a process that was killed
            if not psutil.pid_exists(int(left.suffix[1:])):
                left.unlink(missing_ok=True)
        aside = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            try:
                faiss.write_index(index, str(aside))
                aside.replace(self.file)
            finally:
                aside.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:
            raise GanzooError(
                f"{self.file}: the index for approximate search cannot be written "
                f"({getattr(error, 'strerror', None) or 'no room, or no permission'}); make room, or search exactly"
            ) from None
