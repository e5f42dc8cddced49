"""Precision, recall, density and coverage against plain transcriptions of their definitions, one pair at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo import create
from ganzoo.data.loader import Reader
from ganzoo.settings import ImageSettings
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics import manifolds
from ganzoo_metrics.embeddings import EMBEDDINGS
from ganzoo_metrics.manifolds import density_coverage, precision_recall
from tests.support.command_line import refusal
from tests.support.feature_networks import SMALL_EMBEDDINGS, save_embedding
from tests.support.stand_in_methods import Noise, engine_of, values_of


def vectors(count: int, width: int, spread: float = 1.0, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(count, width)) * spread)


def distance(one: list[float], other: list[float]) -> float:
    return float(sum((a - b) ** 2 for a, b in zip(one, other, strict=True)) ** 0.5)


def radii(vectors: list[list[float]], k: int) -> list[float]:
    others = [[other for j, other in enumerate(vectors) if j != i] for i in range(len(vectors))]
    return [sorted(distance(one, other) for other in rest)[k - 1] for one, rest in zip(vectors, others, strict=True)]


def plainly(fake: list[list[float]], real: list[list[float]], k: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return (precision, recall) and (density, coverage)."""
    around_real, around_fake = radii(real, k), radii(fake, k)
    precise = [any(distance(y, x) <= r for x, r in zip(real, around_real, strict=True)) for y in fake]
    recalled = [any(distance(x, y) <= r for y, r in zip(fake, around_fake, strict=True)) for x in real]
    density = [sum(distance(y, x) < r for x, r in zip(real, around_real, strict=True)) / k for y in fake]
    covered = [any(distance(y, x) < r for y in fake) for x, r in zip(real, around_real, strict=True)]
    shares = [sum(one) / len(one) for one in (precise, recalled, density, covered)]
    return (shares[0], shares[1]), (shares[2], shares[3])


@pytest.mark.parametrize(("n", "m", "width", "k"), [(30, 20, 3, 3), (12, 40, 6, 5), (15, 15, 2, 1)])
def test_the_definitions(monkeypatch: pytest.MonkeyPatch, n: int, m: int, width: int, k: int) -> None:
    monkeypatch.setattr(manifolds, "AT_ONCE", 7)
    fake, real = vectors(n, width, 1.3), vectors(m, width, 1.0, 1)
    expected = plainly(fake.tolist(), real.tolist(), k)
    assert precision_recall(fake, real, k) == pytest.approx(expected[0])
    assert density_coverage(fake, real, k) == pytest.approx(expected[1])
    assert 0 < expected[0][0] < 1 and 0 < expected[1][1] < 1


def test_equal_sets_cover_each_other_and_distant_ones_do_not() -> None:
    real = vectors(30, 4)
    assert precision_recall(real.flip(0), real, 3) == (1.0, 1.0)
    assert density_coverage(real.flip(0), real, 5) == (pytest.approx(1.0), 1.0)
    assert precision_recall(real + 100, real, 3) == density_coverage(real + 100, real, 3) == (0.0, 0.0)


def test_the_edge_of_a_ball_counts_for_precision_only() -> None:
    """Real images at 0, 1 and 3 with k = 1; a translation at 5 is at the edge of the ball around 3."""
    fake, real = torch.tensor([[5.0], [5.0]]), torch.tensor([[0.0], [1.0], [3.0]])
    assert precision_recall(fake, real, 1)[0] == 1.0
    assert density_coverage(fake, real, 1) == (0.0, 0.0)


@pytest.mark.parametrize("measure", [precision_recall, density_coverage])
def test_too_few_and_broken_vectors_are_refused(measure: Callable[..., object]) -> None:
    good = vectors(6, 3)
    assert measure(good, good, 5)
    message = refusal(measure, good[:5], good, 5)
    assert message == (
        "the neighbour 5 of each image needs more than 5 translated images; there are 5: lower k, or add images"
    )
    assert "needs more than 6 real images" in refusal(measure, vectors(9, 3), good, 6)
    broken = good.clone()
    broken[0, 0] = torch.nan
    assert "real images are not finite" in refusal(measure, good, broken, 2)


def measured(folder: Path, batch: int, **options: Any) -> dict[str, float]:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    engine, reader = engine_of(CycleGAN(), networks), Reader(Noise(size=8, test=7), ImageSettings(size=8))
    names = ("precision_recall", "density_coverage")
    metrics = [create("metric", name, network="dinov2", weights=save_embedding(folder), **options) for name in names]
    return values_of(engine, reader, *metrics, batch=batch)


def test_they_are_measured_on_the_features_of_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(EMBEDDINGS, "dinov2", SMALL_EMBEDDINGS["dinov2"])
    found = measured(tmp_path, 16)
    assert set(found) == {
        f"{name}_dinov2_{way}" for name in ("precision", "recall", "density", "coverage") for way in ("AB", "BA")
    }
    assert measured(tmp_path, 3) == pytest.approx(found)
    message = refusal(measured, tmp_path, 16, k=7)
    assert "needs more than 7 translated images; there are 7" in message
