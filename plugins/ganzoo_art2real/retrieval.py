"""Choose between exact and approximate search of the nearest patches; the contextual loss uses it."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

import torch

from ganzoo.interfaces import MissingResourceError
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.exact_search import ExactSearch, Searcher

SearchKind = Literal["auto", "exact", "approximate"]
EXACT_UP_TO = 10_000
"""Maximum number of patches for which exact search is about as fast on a CPU; see benchmarks/retrieval.py."""


def create_searcher(
    bank: Bank, label: int, scale: tuple[int, int], *, device: str | torch.device = "cpu", kind: SearchKind = "auto"
) -> Searcher:
    """Return the search for neighbours among the patches of a class and scale; it may build an index in the bank.

    Args:
        bank: the bank of the patches.
        label: the class.
        scale: (patch, stride).
        device: the device of the queries.
        kind: kind of search. ``auto`` is ``exact`` on a CUDA device and for up to ``EXACT_UP_TO`` patches, else
            ``approximate``. ``approximate`` searches exactly if there are fewer patches than an index needs.

    Raises GanzooError for a scale that the bank does not have, and if an index cannot be written; and
    MissingResourceError if approximate search lacks the package faiss.
    """
    if kind == "auto":
        few = bank.count(label, scale) <= EXACT_UP_TO
        kind = "exact" if few or torch.device(device).type == "cuda" else "approximate"
    if kind == "exact":
        return ExactSearch(bank, label, scale)
    if find_spec("faiss") is None:
        raise MissingResourceError(
            "approximate search of a bank needs the package faiss: pip install 'ganzoo-i2i[art2real]', or set search: "
            "exact, which is slower on a CPU"
        )
    from ganzoo_art2real.approximate_search import MIN_PATCHES, ApproximateSearch  # imports faiss only where needed

    search = ApproximateSearch if bank.count(label, scale) >= MIN_PATCHES else ExactSearch
    return search(bank, label, scale)
