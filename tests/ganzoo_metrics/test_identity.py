"""Distances of features against their formula, on drawn weights, and what published ones say of photographs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor, nn

from ganzoo.data.image_io import read_image, to_float
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Direction
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_metrics.identity import IdentityDistance
from tests.support.command_line import refusal
from tests.support.feature_networks import CLASSIFIER, build_model, save_model
from tests.support.image_pairs import bind_metric, compute_values
from tests.support.lpips_trunks import PHOTOGRAPHS, PUBLISHED
from tests.support.stand_in_methods import Noise, engine_of, values_of

SIZE = 24


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., IdentityDistance]:
    folder = tmp_path_factory.mktemp("weights")

    def make(data: Noise | None = None, **options: Any) -> IdentityDistance:
        reader = Reader(data or Noise(), ImageSettings(size=SIZE))
        given = {"network": CLASSIFIER, "weights": save_model(folder, CLASSIFIER, 7), **options}
        found: IdentityDistance = bind_metric("identity_distance", reader=reader, **given)
        return found

    return make


def features(network: nn.Module, image: Tensor) -> np.ndarray:
    """Return SqueezeNet's features of an image (3, H, W): quantized, enlarged by Pillow, normalized, pooled."""
    whole = ((image.clamp(-1, 1) + 1) * 127.5).round().numpy()
    large = [Image.fromarray(plane).resize((224, 224), Image.Resampling.BICUBIC) for plane in whole]
    seen = (np.stack([np.asarray(plane) for plane in large]).clip(0, 255) / 255).astype(np.float32)
    mean, std = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
    maps = network.features(torch.from_numpy((seen - mean[:, None, None]) / std[:, None, None])[None])  # type: ignore[operator]
    return np.asarray(maps[0].double().numpy().mean((1, 2)))


def plainly(network: nn.Module, one: Tensor, other: Tensor) -> list[float]:
    found = []
    for pair in zip(one, other, strict=True):
        a, b = (features(network, image).tolist() for image in pair)
        product = sum(x * y for x, y in zip(a, b, strict=True))
        found.append(1 - product / (sum(x * x for x in a) * sum(y * y for y in b)) ** 0.5)
    return found


def translated() -> Step:
    """Return a step of coarse noise, of which networks with drawn weights make more than of fine."""
    drawn = torch.Generator().manual_seed(0)
    names = ("real_A", "real_B", "fake_A", "fake_B")
    coarse = {name: torch.rand(2, 3, 2, 2, generator=drawn) * 2.6 - 1.3 for name in names}
    return Step(
        {name: one.repeat_interleave(SIZE // 2, 2).repeat_interleave(SIZE // 2, 3) for name, one in coarse.items()}
    )


@pytest.mark.parametrize("direction", ["AB", "BA"])
def test_the_formula(metric: Callable[..., IdentityDistance], direction: Direction) -> None:
    step, measure, name = translated(), metric(), f"identity_distance_{CLASSIFIER}"
    expected = plainly(build_model(CLASSIFIER, 7), step[f"real_{direction[0]}"], step[f"fake_{direction[1]}"])
    assert min(expected) > 5e-4
    rows = measure.rows(step, direction)
    assert rows[name].tolist() == pytest.approx(expected, rel=1e-3)
    assert compute_values(measure, step, direction) == {name: pytest.approx(np.mean(expected), rel=1e-3)}


def test_a_image_keeps_its_identity(metric: Callable[..., IdentityDistance]) -> None:
    step, measure = translated(), metric()
    step["fake_B"] = step["real_A"].clone()
    assert measure.rows(step, "AB")[measure.name].eq(0).all()
    assert "not finite" in refusal(measure.rows, Step({**translated(), "fake_B": step["real_A"] * torch.nan}), "AB")


def test_without_its_sources_there_is_nothing_to_compare(metric: Callable[..., IdentityDistance]) -> None:
    measure, step = metric(), translated()
    del step["real_A"]
    message = refusal(measure.rows, step, "AB")
    assert (
        message
        == f"{measure.name} compares translations with their sources, which are not known here: remove the metric"
    )


def test_it_is_measured_in_float32_without_a_graph(metric: Callable[..., IdentityDistance]) -> None:
    measure, step = metric(), translated()
    step["fake_B"] = step["fake_B"].requires_grad_()
    plain = measure.rows(step, "AB")[measure.name]
    assert not plain.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(measure.rows(translated(), "AB")[measure.name], plain)


def test_an_evaluation_does_not_depend_on_its_batches(metric: Callable[..., IdentityDistance]) -> None:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    engine, reader = engine_of(CycleGAN(), networks), Reader(Noise(size=SIZE, test=3), ImageSettings(size=SIZE))
    found = [values_of(engine, reader, metric(), batch=batch) for batch in (1, 16)]
    assert set(found[0]) == {f"identity_distance_{CLASSIFIER}_{way}" for way in ("AB", "BA")}
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_networks_of_timm_serve_too(metric: Callable[..., IdentityDistance], tmp_path: Path) -> None:
    import timm

    network = timm.create_model("test_vit", num_classes=9)
    save_file(network.state_dict(), tmp_path / "vit.safetensors")
    measure = metric(network="test_vit", library="timm", weights=tmp_path / "vit.safetensors")
    assert list(compute_values(measure, translated())) == ["identity_distance_test_vit"]
    assert measure.about["network"] == "timm/test_vit"
    assert measure.sources["weights"].path == tmp_path / "vit.safetensors"
    assert measure.sources["weights"].key == measure.about["weights"]


def test_what_cannot_be_seen_is_reported(metric: Callable[..., IdentityDistance], tmp_path: Path) -> None:
    data = Noise()
    data.channels, data.classes = {"A": 19, "B": 3}, {"A": 19}
    message = refusal(metric, data)
    assert "identity_distance needs images of 1 or 3 channels that are not label maps" in message
    state = {name: torch.zeros_like(one) for name, one in build_model(CLASSIFIER, 7).state_dict().items()}
    save_file(state, tmp_path / "nothing.safetensors")
    message = refusal(compute_values, metric(weights=tmp_path / "nothing.safetensors"), translated())
    assert message == (
        f"identity_distance_{CLASSIFIER}: the network's features of an image are all zero: "
        "check the image and the weights"
    )
    assert "torchvision has no classifier 'squeezent'" in refusal(metric, network="squeezent")


@pytest.mark.skipif(
    not (PUBLISHED.is_file() and PHOTOGRAPHS.is_dir()),
    reason=f"published weights and photographs are not here: {PUBLISHED}, {PHOTOGRAPHS} (set GANZOO_DATA)",
)
def test_published_weights_tell_a_lighter_photograph_from_another(metric: Callable[..., IdentityDistance]) -> None:
    photographs = [to_float(read_image(file, 3)[None]) for file in sorted(PHOTOGRAPHS.iterdir())[:4]]
    one, other = torch.cat(photographs[:2]), torch.cat(photographs[2:])
    measure = metric(weights=PUBLISHED)
    lighter, unlike = (
        measure.rows(Step({"real_A": one, "fake_B": fake}), "AB")[measure.name] for fake in (one * 0.9 + 0.1, other)
    )
    assert (lighter > 0.001).all() and (5 * lighter < unlike).all()
