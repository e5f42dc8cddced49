"""The order of images: shuffled A, random partners from B, the same for any number of processes."""

from __future__ import annotations

from collections import Counter

import pytest

from ganzoo.data.sampler import Sampler
from ganzoo.errors import GanzooError


def rows(order: Sampler, steps: int) -> list[tuple[int, int, int]]:
    return [
        (row.sample, row.indices["A"], row.indices["B"])
        for step in range(steps)
        for micro in order.micro_batches(step)
        for row in micro
    ]


def test_domain_a_is_shuffled_and_b_is_drawn_with_replacement() -> None:
    order = Sampler({"A": 50, "B": 400}, paired=False, batch=1, seed=3)
    assert order.steps_per_epoch == 400
    epoch = [order.row(step, 0) for step in range(400)]
    for turn in range(8):
        block = [row.indices["A"] for row in epoch[50 * turn : 50 * turn + 50]]
        assert sorted(block) == list(range(50))
        assert block != list(range(50))
    partners = Counter(row.indices["B"] for row in epoch)
    # with replacement, about 1/e of the 400 are never drawn
    assert 400 - len(partners) == pytest.approx(400 / 2.71828, abs=30)


def test_the_order_depends_on_epoch_and_seed() -> None:
    order = Sampler({"A": 8, "B": 8}, paired=False, batch=1, seed=0)
    first, second = ([order.row(8 * epoch + i, 0).indices["A"] for i in range(8)] for epoch in (0, 1))
    assert first != second
    assert rows(order, 16) == rows(Sampler({"A": 8, "B": 8}, paired=False, batch=1, seed=0), 16)
    assert rows(order, 16) != rows(Sampler({"A": 8, "B": 8}, paired=False, batch=1, seed=1), 16)


def test_unpaired_domains_are_drawn_independently() -> None:
    order = Sampler({"A": 100, "B": 100}, paired=False, batch=1)
    same = sum(row.indices["A"] == row.indices["B"] for row in (order.row(step, 0) for step in range(100)))
    assert same < 10


def test_paired_data_stays_paired() -> None:
    order = Sampler({"A": 10, "B": 10}, paired=True, batch=2)
    assert all(a == b for _, a, b in rows(order, 5))


@pytest.mark.parametrize(("processes", "batch", "accumulate"), [(2, 2, 1), (1, 2, 2), (2, 1, 2), (4, 1, 1)])
def test_a_global_batch_does_not_depend_on_its_distribution(processes: int, batch: int, accumulate: int) -> None:
    counts = {"A": 9, "B": 11}
    whole = sorted(rows(Sampler(counts, False, 4, seed=5), 6))
    distributed = [
        row
        for rank in range(processes)
        for row in rows(Sampler(counts, False, batch, accumulate, processes, rank, 5), 6)
    ]
    assert sorted(distributed) == whole


def test_positions_are_indices_in_the_global_batch() -> None:
    order = Sampler({"A": 20, "B": 20}, False, 2, 2, 2, 1)
    assert [[row.position for row in micro] for micro in order.micro_batches(0)] == [[2, 3], [6, 7]]


def test_a_domain_smaller_than_the_batch_is_refused() -> None:
    with pytest.raises(
        GanzooError,
        match=r"domain B has 3 training images \(without .*\), fewer than the 4 of one step \(batch 2 × accumulate 2\)",
    ):
        Sampler({"A": 10, "B": 3}, False, 2, 2)
