"""Distances of sets against clean-fid's own functions, on the same vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo.randomness import keyed
from ganzoo_metrics import distances
from ganzoo_metrics.distances import frechet, frechet_caution, kernel
from tests.support.command_line import refusal

cleanfid = pytest.importorskip("cleanfid.fid")


def vectors(count: int, width: int, seed: int = 0) -> Tensor:
    """Correlated vectors that are not Gaussian, all positive as pooled features are."""
    rng = np.random.default_rng(seed)
    mixed = rng.gamma(1.0 + seed, size=(count, width)) @ rng.uniform(0, 1, size=(width, width)) / width
    return torch.from_numpy(mixed)


def theirs(fake: Tensor, real: Tensor) -> float:
    """Return the Fréchet distance as clean-fid computes it."""
    sides = [(one.numpy().mean(0), np.cov(one.numpy(), rowvar=False)) for one in (fake, real)]
    return float(cleanfid.frechet_distance(*sides[0], *sides[1]))


@pytest.mark.parametrize(("n", "m", "width"), [(200, 300, 12), (40, 500, 64), (500, 50, 64), (30, 20, 64)])
def test_frechet_equals_clean_fid(n: int, m: int, width: int) -> None:
    fake, real = vectors(n, width), vectors(m, width, 1)
    assert frechet(fake, real) == pytest.approx(theirs(fake, real), rel=1e-3)
    assert frechet(fake, fake) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("count", "width"), [(5, 64), (64, 5), (40, 40)])
def test_the_frechet_distance_of_equal_sets_is_zero(count: int, width: int) -> None:
    for seed in range(5):
        vectors = torch.randn(count, width, generator=torch.Generator().manual_seed(seed)) * 10 + 100
        assert frechet(vectors, vectors.clone()) == 0.0
        assert frechet(vectors, vectors.flip(0)) == 0.0
        assert frechet(vectors, vectors + 1e-3) > 0


def test_fewer_vectors_than_features_carry_a_caution() -> None:
    few, many = torch.zeros(5, 2048), torch.zeros(2048, 2048)
    assert frechet_caution("fid", few, many) == frechet_caution("fid", many, few)
    assert "it has 5 images, fewer than the 2,048 features" in frechet_caution("fid", few, many)
    assert frechet_caution("fid", many, many) == ""


def test_frechet_of_float32_is_taken_in_float64() -> None:
    fake, real = (one.float() + 100 for one in (vectors(300, 16), vectors(400, 16, 1)))
    assert frechet(fake, real) == pytest.approx(theirs(fake.double(), real.double()), rel=1e-6)


def test_kernel_equals_clean_fid_where_all_are_taken() -> None:
    fake, real = vectors(60, 32), vectors(60, 32, 1)
    expected = cleanfid.kernel_distance(fake.numpy(), real.numpy(), num_subsets=3)
    assert kernel(fake, real, 0) == (pytest.approx(expected, rel=1e-9), 0.0)


def test_kernel_equals_clean_fid_on_the_same_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """clean-fid draws real vectors first; both are given the same numbers here."""
    fake, real = vectors(50, 16), vectors(40, 16, 1)
    monkeypatch.setattr(distances, "LARGEST", 25)
    sides = [distances._ordered(one) for one in (fake, real)]
    draws = [keyed(7, "kernel distance", i) for i in range(distances.SUBSETS)]
    picks = iter([rng.permutation(count)[:25] for rng in draws for count in (40, 50)])
    monkeypatch.setattr(np.random, "choice", lambda *_, **__: next(picks))
    expected = cleanfid.kernel_distance(*(one.numpy() for one in sides), max_subset_size=25)
    distance, deviation = kernel(fake, real, 7)
    assert distance == pytest.approx(expected, rel=1e-9)
    assert deviation > 0


def test_the_order_of_vectors_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "LARGEST", 25)
    fake, real = vectors(50, 16), vectors(40, 16, 1)
    turned = fake[torch.from_numpy(np.random.default_rng(3).permutation(50))], real.flip(0)
    assert frechet(*turned) == pytest.approx(frechet(fake, real), rel=1e-9)
    assert kernel(*turned, 0) == pytest.approx(kernel(fake, real, 0), rel=1e-9)
    assert kernel(fake, real, 1)[0] != kernel(fake, real, 0)[0]


def test_nor_does_it_where_their_first_numbers_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    """As behind a rectifier, whose features may be zero for all images."""
    monkeypatch.setattr(distances, "LARGEST", 25)
    fake, real = vectors(50, 16), vectors(40, 16, 1)
    fake[:, :15] = real[:, :15] = 0
    turned = fake[torch.from_numpy(np.random.default_rng(3).permutation(50))], real.flip(0)
    assert kernel(*turned, 0) == kernel(fake, real, 0)


@pytest.mark.parametrize("distance", [frechet, lambda fake, real: kernel(fake, real, 0)])
def test_too_few_and_broken_ones_are_refused(distance: Callable[[Tensor, Tensor], object]) -> None:
    good = vectors(5, 4)
    assert "at least two translated images; there are 1" in refusal(distance, good[:1], good)
    assert "at least two real images; there are 0" in refusal(distance, good, good[:0])
    broken = good.clone()
    broken[2, 1] = float("nan")
    assert "translated images are not finite" in refusal(distance, broken, good)
