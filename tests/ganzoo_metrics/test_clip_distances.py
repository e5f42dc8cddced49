"""CMMD and the similarity of CLIP's embeddings against plain transcriptions, with drawn weights of a small network."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo import create
from ganzoo.data.loader import Reader
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics import gaussian
from ganzoo_metrics.embeddings import EMBEDDINGS
from ganzoo_metrics.gaussian import gaussian_mmd
from tests.support.command_line import refusal
from tests.support.feature_networks import SMALL_EMBEDDINGS, save_embedding
from tests.support.image_pairs import bind_metric
from tests.support.stand_in_methods import Noise, engine_of, values_of


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    for name, settings in SMALL_EMBEDDINGS.items():
        monkeypatch.setitem(EMBEDDINGS, name, settings)


def plain_mmd(fake: Tensor, real: Tensor) -> float:
    def mean(one: list[list[float]], other: list[list[float]]) -> float:
        kernels = [
            math.exp(-sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / (2 * 10**2)) for x in one for y in other
        ]
        return sum(kernels) / len(kernels)

    one, other = fake.tolist(), real.tolist()
    return 1000 * (mean(one, one) + mean(other, other) - 2 * mean(one, other))


@pytest.mark.parametrize(("n", "m"), [(5, 9), (12, 4)])
def test_the_discrepancy_has_its_formula(monkeypatch: pytest.MonkeyPatch, n: int, m: int) -> None:
    monkeypatch.setattr(gaussian, "AT_ONCE", 5)
    rng = np.random.default_rng(0)
    fake, real = (torch.from_numpy(rng.normal(size=(count, 6)) * 3) for count in (n, m))
    assert gaussian_mmd(fake, real) == pytest.approx(plain_mmd(fake, real), rel=1e-9)
    assert gaussian_mmd(fake, fake.flip(0)) == pytest.approx(0, abs=1e-9)
    assert "at least two real images; there are 1" in refusal(gaussian_mmd, fake, real[:1])


@pytest.mark.parametrize(("network", "name"), [("clip", "cmmd"), ("clip_base", "cmmd_clip_base")])
def test_cmmd_is_measured_on_clips_embeddings(tmp_path: Path, network: str, name: str) -> None:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    engine, reader = engine_of(CycleGAN(), networks), Reader(Noise(size=8, test=4), ImageSettings(size=8))
    made = create("metric", "cmmd", network=network, weights=save_embedding(tmp_path))
    found = values_of(engine, reader, made)
    assert set(found) == {f"{name}_AB", f"{name}_BA"}
    step = Step({}, samples=range(4))
    images = torch.stack([torch.from_numpy(reader.dataset.sample("test", "A", i).image) for i in range(4)])
    others = torch.stack([torch.from_numpy(reader.dataset.sample("test", "B", i).image) for i in range(4)])
    step["fake_B"] = engine.networks["G_AB"](images.permute(0, 3, 1, 2) / 127.5 - 1).detach()
    step["real_B"] = others.permute(0, 3, 1, 2) / 127.5 - 1
    rows, real = made.rows(step, "AB")["features"], made.reference_rows(step, "B")["features"]
    assert rows.norm(dim=1).tolist() == pytest.approx([1.0] * 4)
    assert found[f"{name}_AB"] == pytest.approx(plain_mmd(rows, real), rel=1e-4)
    assert values_of(engine, reader, made, batch=3) == pytest.approx(found, rel=1e-4)


def coarse(seed: int) -> Tensor:
    return torch.rand(2, 3, 2, 2, generator=torch.Generator().manual_seed(seed)).mul(2).sub(1).repeat_interleave(8, 2)


@pytest.fixture
def similarity(tmp_path: Path) -> Callable[..., object]:
    def make(data: Noise | None = None) -> object:
        reader = Reader(data or Noise(), ImageSettings(size=16))
        return bind_metric("clip_similarity", reader=reader, weights=save_embedding(tmp_path))

    return make


def test_the_similarity_is_the_cosine_of_the_embeddings(similarity: Callable[..., object]) -> None:
    made = similarity()
    step = Step({"real_A": coarse(0), "fake_B": coarse(1)}, samples=range(2))
    (found,) = made.rows(step, "AB").values()  # type: ignore[attr-defined]
    one, other = (made.network.features(step, name).tolist() for name in ("real_A", "fake_B"))  # type: ignore[attr-defined]
    for value, a, b in zip(found.tolist(), one, other, strict=True):
        product = sum(x * y for x, y in zip(a, b, strict=True))
        assert value == pytest.approx(product / math.hypot(*a) / math.hypot(*b), abs=1e-5)
    assert not torch.allclose(found, torch.ones(2))
    same = Step({"real_A": coarse(0), "fake_B": coarse(0)}, samples=range(2))
    assert made.rows(same, "AB")["clip_similarity_clip_base"].tolist() == [1.0, 1.0]  # type: ignore[attr-defined]


def test_the_similarity_needs_sources_that_are_images(similarity: Callable[..., object]) -> None:
    message = refusal(similarity().rows, Step({"fake_B": coarse(0)}), "AB")  # type: ignore[attr-defined]
    assert message.startswith("clip_similarity_clip_base compares translations with their sources")
    data = Noise()
    data.channels, data.classes = {"A": 19, "B": 3}, {"A": 19}
    assert "clip_similarity needs images of 1 or 3 channels" in refusal(similarity, data)
