"""Approximate search of the nearest patches with Faiss, for large banks on a CPU.

An index holds principal components of the patches, 8 bits each, in inverted lists: patches that are near to one another
are in the same list. It is built once, saved in the bank and memory-mapped. 64 components find nearly the same
neighbours as the 768 values of a 16×16 patch (benchmarks/retrieval.py), with 72 bytes a patch. The candidates from the
lists are then ranked by distances of their patches.
"""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import faiss
import torch
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.interfaces import clean_temporaries, flush_to_disk, temporary_path
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.exact_search import MEMORY, ExactSearch, Searcher, rank

MIN_PATCHES = 2000
"""Minimum number of patches of an index; fewer are searched exactly."""
MAX_LISTS = 4096
"""Maximum number of lists; their number is also at most twice the square root of the number of patches."""
TRAINING_PATCHES = 40
"""Number of patches per list on which the lists are trained."""
FORMAT = 1


class ApproximateSearch(Searcher):
    """A search of the lists that are nearest to a query; the best of their patches are then ranked by exact distances.

    The same bank and options give the same index and the same neighbours. A missing index is built, in about a second
    for 100,000 patches, and saved in the bank. An incomplete index, left by a killed process, is never read.

    Args:
        bank: the bank whose patches are searched.
        label: the class whose patches are searched.
        scale: patch size and stride in pixels, one of the bank's scales.
        components: number of principal components of a patch; 0: a third of its values, from 32 to 64.
        lists: number of lists that are searched for a query.
        candidates: number of patches that are ranked exactly for each requested neighbour.
        memory: approximate memory that a search uses, in bytes.

    Raises GanzooError for a scale that the bank does not have, and if the index cannot be written.
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
        self.values = 3 * self.scale.patch**2
        self.memory = memory
        self.components = min(self.values, components or min(64, max(32, self.values // 3)))
        self.all_lists = max(1, min(MAX_LISTS, round(2 * self.count**0.5), self.count // TRAINING_PATCHES))
        self.candidates = candidates
        self.index = self._read() or self._build()
        faiss.extract_index_ivf(self.index).nprobe = lists

    @property
    def file(self) -> Path:
        """The path of the index; its name contains a checksum of all that the index depends on."""
        origin = [FORMAT, faiss.__version__, self.bank.key, self.components, self.all_lists, TRAINING_PATCHES]
        key = sha256(json.dumps(origin).encode()).hexdigest()[:12]
        return self.bank.folder / f"index-{self.scale.patch}-{self.scale.stride}-{self.label}-{key}.faiss"

    def find(self, queries: Tensor, k: int) -> Tensor:
        """Return the k nearest patches in the searched lists, (N, k) window numbers, the nearest first.

        A query whose lists hold fewer than k patches is searched exactly.
        """
        _, positions = self.index.search(queries.cpu().numpy(), min(self.count, k * self.candidates))
        numbers = torch.from_numpy(self.bank.numbers(self.label, self.scale)[positions].astype("int64"))
        numbers[torch.from_numpy(positions) < 0] = -1  # the searched lists hold fewer patches
        neighbours = rank(self.bank, self.scale, queries, numbers.to(queries.device), k, memory=self.memory)
        short = (neighbours < 0).any(1)
        if short.any():
            exact = ExactSearch(self.bank, self.label, self.scale, memory=self.memory)
            neighbours[short] = exact.find(queries[short], k)
        return neighbours

    def _read(self) -> Any:
        """Return the index that is saved in the bank, or None if there is none or it is damaged."""
        if not self.file.is_file():
            return None
        try:
            index = faiss.read_index(str(self.file), faiss.IO_FLAG_MMAP)
        except RuntimeError:  # damaged: it is built again
            return None
        return index if index.ntotal == self.count else None

    def _build(self) -> Any:
        """Train components and lists on evenly spaced patches, add all patches, save the index and return it."""
        numbers = self.bank.numbers(self.label, self.scale)
        chunk = max(1024, self.memory // (16 * self.values))
        index: Any = faiss.index_factory(self.values, f"PCA{self.components},IVF{self.all_lists},SQ8")
        pca, lists = faiss.downcast_VectorTransform(index.chain.at(0)), faiss.extract_index_ivf(index)
        samples = min(self.count, TRAINING_PATCHES * self.all_lists)
        spaced = torch.linspace(0, self.count - 1, samples, dtype=torch.float64).long()
        sample = torch.tensor(numbers[spaced.numpy()])
        pca.train(self._cut(sample[:: -(-len(sample) // chunk)]))
        lists.train(torch.cat([torch.from_numpy(pca.apply(self._cut(part))) for part in sample.split(chunk)]).numpy())
        index.is_trained = True
        for start in range(0, self.count, chunk):
            index.add(self._cut(torch.tensor(numbers[start : start + chunk])))
        self._write(index)
        return self._read() or index

    def _cut(self, numbers: Tensor) -> Any:
        return self.bank.patches(self.scale, numbers).numpy()

    def _write(self, index: Any) -> None:
        """Write the index to a temporary file and rename it, and delete such files of dead processes.

        Raises GanzooError if the index cannot be written.
        """
        clean_temporaries(self.bank.folder, older_than=3600)
        temporary = temporary_path(self.file)
        try:
            try:
                faiss.write_index(index, str(temporary))
                flush_to_disk(temporary)
                temporary.replace(self.file)
            finally:
                temporary.unlink(missing_ok=True)
        except (OSError, RuntimeError) as error:
            raise GanzooError(
                f"{self.file}: the index for approximate search cannot be written "
                f"({getattr(error, 'strerror', None) or 'disk full, or no permission'}); "
                "make room, or set search: exact"
            ) from None
