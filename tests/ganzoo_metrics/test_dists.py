"""DISTS against a plain float64 transcription of its formula, with drawn weights of VGG-16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from ganzoo.data.loader import Reader
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo.weights import listed
from ganzoo_metrics.dists import WIDTHS, L2Pool
from tests.support.command_line import refusal
from tests.support.image_pairs import bind_metric, compute_values, paired_step
from tests.support.lpips_trunks import save_trunk
from tests.support.stand_in_methods import Noise

CONVOLUTIONS = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("dists")
    drawn = torch.Generator().manual_seed(0)
    weights = {name: torch.rand(1, sum(WIDTHS), 1, 1, generator=drawn) for name in ("alpha", "beta")}
    torch.save(weights, folder / "dists.pth")
    return {"weights": folder / "dists.pth", "trunk": save_trunk(folder, "vgg")}


def maps(trunk: dict[str, Tensor], image: Tensor) -> list[np.ndarray]:
    """Return an image (3, H, W) in [0, 1] and VGG-16's maps of each stage, in float64; pools are loops."""
    mean, std = (torch.tensor(one).double()[:, None, None] for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    found, now = [image.double().numpy()], (image.double() - mean) / std
    for stage, layers in enumerate(CONVOLUTIONS):
        if stage:
            now = torch.from_numpy(pooled(now.numpy()))
        for layer in layers:
            weight, bias = (trunk[f"features.{layer}.{name}"].double() for name in ("weight", "bias"))
            now = F.conv2d(now[None], weight, bias, padding=1)[0].relu()
        found.append(now.numpy())
    return found


def pooled(maps: np.ndarray) -> np.ndarray:
    window = np.array([[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]) / 4
    padded = np.pad(maps**2, ((0, 0), (1, 1), (1, 1)))
    height, width = ((side + 1) // 2 for side in maps.shape[1:])
    found = np.zeros((len(maps), height, width))
    for i in range(height):
        for j in range(width):
            found[:, i, j] = (padded[:, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3] * window).sum((1, 2))
    return np.sqrt(found + 1e-12)


def plainly(files: dict[str, Any], one: Tensor, other: Tensor) -> float:
    weights, trunk = torch.load(files["weights"], weights_only=True), load_file(files["trunk"])
    alpha, beta = (weights[name].flatten().double().numpy() for name in ("alpha", "beta"))
    total, start, similarity = alpha.sum() + beta.sum(), 0, 0.0
    for x, y in zip(*(maps(trunk, (image + 1) / 2) for image in (one, other)), strict=True):
        for channel in range(len(x)):
            a, b = x[channel], y[channel]
            mean = (2 * a.mean() * b.mean() + 1e-6) / (a.mean() ** 2 + b.mean() ** 2 + 1e-6)
            covariance = (a * b).mean() - a.mean() * b.mean()
            structure = (2 * covariance + 1e-6) / (a.var() + b.var() + 1e-6)
            similarity += (alpha[start + channel] * mean + beta[start + channel] * structure) / total
        start += len(x)
    return float(1 - similarity)


def test_the_pool_is_the_root_of_windowed_squares() -> None:
    given = torch.randn(2, 3, 7, 4)
    expected = np.stack([pooled(one) for one in given.double().numpy()])
    torch.testing.assert_close(L2Pool()(given).double().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_the_formula(files: dict[str, Any]) -> None:
    step, made = paired_step(2, 16), bind_metric("dists", **files)
    expected = [plainly(files, *pair) for pair in zip(step["fake_B"], step["true_B"], strict=True)]
    assert made.rows(step, "AB")["dists"].tolist() == pytest.approx(expected, rel=1e-3)
    assert min(expected) > 0.01
    assert compute_values(made, step) == {"dists": pytest.approx(np.mean(expected), rel=1e-3)}


def test_equal_images_have_no_distance_and_grey_ones_are_repeated(files: dict[str, Any]) -> None:
    made, given = bind_metric("dists", of="source", **files), torch.rand(2, 1, 19, 16) * 2 - 1
    step = Step({"real_A": given, "fake_B": given.clone()}, samples=range(2))
    assert made.rows(step, "AB")["dists_source"].tolist() == pytest.approx([0, 0], abs=1e-5)
    step["fake_B"] = -given
    grey = made.rows(step, "AB")["dists_source"]
    colour = {name: one.expand(-1, 3, -1, -1) for name, one in step.items()}
    torch.testing.assert_close(made.rows(Step(colour, samples=range(2)), "AB")["dists_source"], grey)
    assert (grey > 0.01).all()


def test_it_is_measured_in_float32_without_a_graph(files: dict[str, Any]) -> None:
    made, step = bind_metric("dists", **files), paired_step(1, 16)
    step["fake_B"].requires_grad_()
    plain = made.rows(step, "AB")["dists"]
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(made.rows(step, "AB")["dists"], plain)
    assert (plain.dtype, plain.requires_grad) == (torch.float32, False)


def test_missing_pairs_and_wrong_weights_are_reported(files: dict[str, Any], tmp_path: Path) -> None:
    reader: Any = Reader(Noise(), ImageSettings(size=16))
    assert "the data set has none for A" in refusal(bind_metric, "dists", reader=reader, **files)
    assert bind_metric("dists", reader=reader, of="source", **files).directions == ("AB", "BA")
    save_file({"alpha": torch.zeros(1, 3, 1, 1)}, tmp_path / "few.safetensors")
    message = refusal(bind_metric, "dists", **files | {"weights": tmp_path / "few.safetensors"})
    assert message == f"{tmp_path / 'few.safetensors'}: weights of another architecture than DISTS: it has alpha"
    message = refusal(bind_metric, "dists", **files | {"trunk": tmp_path / "few.safetensors"})
    assert "few.safetensors: weights of another architecture than vgg16" in message


def test_its_weights_are_listed_with_the_checksum_of_the_authors_package() -> None:
    published = listed()["dists"]
    assert published.address.endswith(f"DISTS_weights-{published.sha256[:8]}.pth")
    assert published.size == 12_288
