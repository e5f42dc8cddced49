"""Exact search against brute force in float64: ties, chunks, large k; and the choice of search."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo_art2real import retrieval
from ganzoo_art2real.approximate_search import ApproximateSearch
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.bank_builder import Settings, build_bank
from ganzoo_art2real.exact_search import ExactSearch, rank
from ganzoo_art2real.retrieval import create_searcher
from tests.support.photographs import SMALL


def plain(bank: Bank, label: int, scale: tuple[int, int], queries: Tensor, k: int) -> Tensor:
    """Return the k nearest, by differences in float64; a stable sort keeps equals in the order of their numbers."""
    numbers = torch.tensor(bank.numbers(label, scale)).long()
    patches = bank.patches(scale, numbers).double()
    found = [((patches - query) ** 2).sum(1).sort(stable=True).indices[:k] for query in queries.double()]
    return numbers[torch.stack(found)]


def near(bank: Bank, scale: tuple[int, int], count: int = 40) -> Tensor:
    """Return queries: the bank's own patches, disturbed, and noise that is like none of them."""
    rng = torch.Generator().manual_seed(0)
    numbers = torch.randint(len(bank.photographs) * bank.windows(scale), (count,), generator=rng)
    patches = bank.patches(scale, numbers)
    disturbed = patches + 0.1 * torch.randn(patches.shape, generator=rng)
    return torch.cat([disturbed.clamp(-1, 1), torch.rand(10, patches.shape[1], generator=rng) * 2 - 1])


@pytest.fixture(params=["as on a CPU", "as on a GPU"])
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Search as it is done on a GPU, too, where nothing is read back in between."""
    if request.param == "as on a GPU":
        monkeypatch.setattr(ExactSearch, "_nearest_pruned", ExactSearch._nearest)


@pytest.mark.usefixtures("_either_way")
@pytest.mark.parametrize("label", [0, 1, 3])
@pytest.mark.parametrize("memory", [1, 20_000, 2**28])
def test_the_same_as_brute_force_in_any_memory(bank: Bank, label: int, memory: int) -> None:
    for scale in bank.scales:
        queries = near(bank, scale)
        found = ExactSearch(bank, label, scale, memory=memory).search(queries, 5)
        assert found.dtype == torch.int64
        assert torch.equal(found, plain(bank, label, scale, queries, 5))


@pytest.mark.usefixtures("_either_way")
def test_equal_distances_sort_by_number(tmp_path: Path) -> None:
    """Images of a few flat colours: every patch has hundreds of twins."""
    for i in range(6):
        flat = np.full((24, 24, 3), 40 * (i % 3), np.uint8)
        flat[:, 12:] += np.uint8(20)
        Image.fromarray(flat).save(tmp_path / f"{i}.png")
    bank = build_bank([tmp_path], tmp_path / "bank", Settings(size=24, scales=SMALL.scales))
    queries = near(bank, (4, 4))
    expected = plain(bank, 0, (4, 4), queries, 9)
    assert (expected[:, :8].diff() > 0).any()
    for memory in (1, 3_000, 2**28):
        assert torch.equal(ExactSearch(bank, 0, (4, 4), memory=memory).search(queries, 9), expected)
    own = bank.patches((4, 4), np.array([200]))
    assert (
        ExactSearch(bank, 0, (4, 4)).search(own, 3).tolist()
        == plain(bank, 0, (4, 4), own, 3).tolist()
        != [[200, 201, 202]]
    )


def test_the_nearest_patch_of_a_bank_patch_is_itself(bank: Bank) -> None:
    numbers = torch.tensor(bank.numbers(1, (6, 5))).long()
    assert torch.equal(ExactSearch(bank, 1, (6, 5)).search(bank.patches((6, 5), numbers), 1)[:, 0], numbers)


def test_k_above_the_number_of_patches_gives_all(bank: Bank) -> None:
    few, queries = bank.count(7, (4, 4)), near(bank, (4, 4))
    found = ExactSearch(bank, 7, (4, 4)).search(queries, few + 3)
    assert torch.equal(found, plain(bank, 7, (4, 4), queries, few))
    assert found.shape == (50, few)


def test_no_patches_or_no_queries_give_none(bank: Bank) -> None:
    assert ExactSearch(bank, 7, (6, 5)).search(near(bank, (6, 5)), 5).shape == (50, 0)
    assert ExactSearch(bank, 99, (6, 5)).search(near(bank, (6, 5)), 5).shape == (50, 0)
    assert ExactSearch(bank, 1, (6, 5)).search(torch.empty(0, 108), 5).shape == (0, 5)


def test_queries_of_another_scale_are_an_error(bank: Bank) -> None:
    with pytest.raises(GanzooError, match=r"patches of 6×6 must have the shape \(N, 108\), not \(50, 48\)"):
        ExactSearch(bank, 1, (6, 5)).search(near(bank, (4, 4)), 5)


def test_search_has_no_gradient_and_ignores_autocast(bank: Bank) -> None:
    queries = near(bank, (6, 5)).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        found = ExactSearch(bank, 0, (6, 5)).search(queries, 5)
    assert torch.equal(found, plain(bank, 0, (6, 5), queries.detach(), 5))
    assert not found.requires_grad


def test_candidates_that_are_none_come_last(bank: Bank) -> None:
    numbers = torch.tensor([[5, -1, 3], [-1, -1, 4]])
    queries = bank.patches((6, 5), torch.tensor([5, 9]))
    found = rank(bank, bank.scale((6, 5)), queries, numbers, 3, memory=1)
    assert found.tolist() == [[5, 3, -1], [4, -1, -1]]


def test_the_search_is_chosen_by_size_and_device(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "EXACT_UP_TO", 10)
    monkeypatch.setattr("ganzoo_art2real.approximate_search.MIN_PATCHES", 10)
    assert bank.count(7, (4, 4)) <= 10 < bank.count(1, (4, 4))
    assert isinstance(create_searcher(bank, 1, (4, 4)), ApproximateSearch)
    assert isinstance(create_searcher(bank, 1, (4, 4), kind="exact"), ExactSearch)
    assert isinstance(create_searcher(bank, 1, (4, 4), device="cuda"), ExactSearch)
    assert isinstance(create_searcher(bank, 1, (4, 4), device="cuda", kind="approximate"), ApproximateSearch)
    assert isinstance(create_searcher(bank, 7, (4, 4)), ExactSearch)
    assert isinstance(create_searcher(bank, 7, (4, 4), kind="approximate"), ExactSearch)
