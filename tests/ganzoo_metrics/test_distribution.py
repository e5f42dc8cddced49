"""Distances of translations from real images: the same whatever the batch, order and processes; real ones cached."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganzoo.data.image_files import find_images
from ganzoo.data.image_io import read_image, to_float
from ganzoo.data.loader import Reader
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.evaluation.printing import format_evaluation
from ganzoo.interfaces import Metric, Sample, Split
from ganzoo.plugins import plugins
from ganzoo.recipe.options import build
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_maskers.pretrained import read_weights
from ganzoo_metrics.classifier_features import PooledFeatures, torchvision_format
from ganzoo_metrics.distances import frechet, kernel
from ganzoo_metrics.distribution import SetDistance
from ganzoo_metrics.resizing import quantized, resize
from tests.support.command_line import refusal
from tests.support.feature_networks import build_model, save_model
from tests.support.stand_in_methods import Noise, engine_of, values_of

DATA = Path(os.environ.get("GANZOO_DATA") or Path(__file__).resolve().parents[3] / "shared/data")
PUBLISHED = DATA.parent / "weights/squeezenet1_1_fp16.pth"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Save drawn weights of a classifier of torchvision or timm."""

    def file_of(name: str, library: str = "torchvision") -> Path:
        import timm
        from torchvision.models import get_model  # type: ignore[import-untyped]

        file = tmp_path_factory.getbasetemp() / f"{library}_{name}.safetensors"
        if not file.exists():
            torch.manual_seed(0)
            network = get_model(name, weights=None) if library == "torchvision" else timm.create_model(name)
            save_file(network.state_dict(), file)
        return file

    return file_of


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))


def metric(name: str, **options: Any) -> SetDistance:
    made: SetDistance = build(plugins().registry.get("metric", name), **options)
    made.prepare(0)
    return made


class Turned(Noise):
    turned = False

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return super().sample(split, domain, self.held_out - 1 - index if self.turned else index)


def parts(count: int = 7, turned: bool = False) -> tuple[Any, Reader]:
    torch.manual_seed(0)
    networks = {name: nn.Conv2d(3, 3, 1) for name in ("G_AB", "G_BA", "D_A", "D_B")}
    data = Turned(size=8, test=count)
    data.turned = turned
    return engine_of(CycleGAN(), networks), Reader(data, ImageSettings(size=8))


def test_values_are_the_distances_of_the_features(weights: Callable[[str], Path]) -> None:
    engine, reader = parts()
    file = weights("squeezenet1_1")
    network = PooledFeatures("torchvision", "squeezenet1_1", read_weights(file))
    images = {one: [reader.dataset.sample("test", one, i).image for i in range(7)] for one in "AB"}
    A, B = (to_float(np.stack(images[one])) for one in "AB")
    with torch.no_grad():
        fake, real = (network(resize(quantized(one), 224, "clean")) for one in (engine.networks["G_AB"](A), B))
    found = values_of(engine, reader, metric("fd", weights=file), metric("kd", weights=file))
    assert found["fd_squeezenet1_1_AB"] == pytest.approx(frechet(fake, real), rel=1e-3)
    assert found["kd_squeezenet1_1_AB"] == pytest.approx(kernel(fake, real, 0)[0], rel=1e-3)
    assert {name.removesuffix("_AB").removesuffix("_BA") for name in found} == {
        "fd_squeezenet1_1", "kd_squeezenet1_1", "kd_squeezenet1_1_std",
    }  # fmt: skip


def test_batches_and_order_does_not_matter(weights: Callable[[str], Path]) -> None:
    metrics = [metric(name, weights=weights("squeezenet1_1")) for name in ("fd", "kd")]
    found = [values_of(*parts(), *metrics, batch=batch) for batch in (1, 3, 16)]
    found.append(values_of(*parts(turned=True), *metrics))
    for one in found[1:]:
        assert one == pytest.approx(found[0], rel=1e-4)


def test_features_are_computed_once_for_two_metrics(
    weights: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []
    forward = PooledFeatures.forward

    def counted(self: PooledFeatures, images: torch.Tensor) -> torch.Tensor:
        looked.append(len(images))
        return forward(self, images)

    monkeypatch.setattr(PooledFeatures, "forward", counted)
    options = {"weights": weights("squeezenet1_1")}
    values_of(*parts(), metric("fd", **options), metric("kd", **options))
    assert sum(looked) == 4 * 7  # translations and real images of two domains, for both metrics together


def test_a_frechet_distance_of_few_images_carries_a_caution(weights: Callable[[str], Path]) -> None:
    engine, reader = parts()
    metrics = {name: metric(name, weights=weights("squeezenet1_1")) for name in ("fd", "kd")}
    for one in metrics.values():
        one.bind(engine.method, reader)
    result = Evaluator(engine, reader, metrics, seed=0).measure("test")
    line = (
        "fd_squeezenet1_1 is too high: it has 7 images, fewer than the 512 features of its network; compare it only "
        "with values from as many images"
    )
    assert {name for name, about in result.about.items() if about.get("caution") == line} == {
        "fd_squeezenet1_1_AB", "fd_squeezenet1_1_BA",
    }  # fmt: skip
    assert format_evaluation("run", result).splitlines()[-1] == f"  caution: {line}"


@pytest.mark.parametrize("name", ["fd", "kd"])
def test_fewer_images_than_a_distance_needs_are_no_number(name: str, weights: Callable[[str], Path]) -> None:
    message = refusal(values_of, *parts(count=1), metric(name, weights=weights("squeezenet1_1")))
    assert "needs at least two translated images; there are 1" in message


@pytest.mark.parametrize(
    ("library", "network", "width"),
    [("torchvision", "resnet18", 512), ("torchvision", "mobilenet_v3_small", 576), ("timm", "resnet10t", 512)],
)
def test_any_classifier_gives_features(library: str, network: str, width: int, weights: Callable[..., Path]) -> None:
    made = metric("fd", library=library, network=network, weights=weights(network, library))
    found = made.network.network(torch.rand(2, 3, made.network.side, made.network.side) * 255)
    assert found.shape == (2, width)
    assert made.about["network"] == f"{library}/{network}"
    assert made.sources["weights"].path == weights(network, library)
    assert made.sources["weights"].key == made.about["weights"] in made.cache_key


def test_googlenet_is_shown_the_range_that_it_was_trained_on(tmp_path: Path) -> None:
    file, images = save_model(tmp_path, "googlenet", 5, aux_logits=True, init_weights=False), torch.rand(2, 3, 224, 224)
    plain = build_model("googlenet", 5, aux_logits=False, init_weights=False, transform_input=False)
    plain.load_state_dict(read_weights(file), strict=False)
    plain.fc = nn.Identity()
    with torch.no_grad():
        found = metric("fd", network="googlenet", weights=file).network.network(255 * images)
        # its weights come from another framework, where it saw images in [−1, 1]
        torch.testing.assert_close(found, plain(2 * images - 1), rtol=1e-3, atol=1e-3)


def test_published_densenets_are_read_whose_layers_had_other_names(
    tmp_path: Path, weights: Callable[[str], Path]
) -> None:
    now = read_weights(weights("densenet121"))
    old = {re.sub(r"(denselayer\d+\.\w+)([12]\.\w+)$", r"\1.\2", name): one for name, one in now.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    save_file(old, tmp_path / "old.safetensors")
    read = read_weights(tmp_path / "old.safetensors")
    assert read.keys() == now.keys()
    images = torch.rand(1, 3, 224, 224)
    found = [PooledFeatures("torchvision", "densenet121", one)(images) for one in (now, read)]
    assert torch.equal(*found)


def test_weights_of_a_deeper_network_are_refused(weights: Callable[..., Path]) -> None:
    """They hold all that the smaller one asks for."""
    message = refusal(metric, "fd", network="resnet18", weights=weights("resnet34"))
    assert "weights of another architecture than resnet18" in message and "Unexpected key" in message
    state = read_weights(weights("test_vit", "timm"))
    state["blocks.12.norm1.weight"] = torch.zeros(64)
    assert "Unexpected key" in refusal(PooledFeatures, "timm", "test_vit", state)


@pytest.mark.parametrize(("name", "unused"), [("levit_128s", []), ("resnet10t", ["AuxLogits.fc.bias"])])
def test_what_goes_with_a_classifier_of_timm_does_not_matter(
    name: str, unused: list[str], weights: Callable[..., Path]
) -> None:
    state = read_weights(weights(name, "timm")) | {one: torch.zeros(1) for one in unused}
    assert PooledFeatures("timm", name, state).input_format.side > 0


def test_a_network_is_shown_what_it_was_trained_on() -> None:
    from torchvision import models  # type: ignore[import-untyped]

    shown = {name: torchvision_format(name) for name in models.list_models(models)}
    assert {name: shown[name].side for name in ("resnet18", "efficientnet_b1", "swin_v2_t", "inception_v3")} == {
        "resnet18": 224, "efficientnet_b1": 240, "swin_v2_t": 256, "inception_v3": 299,
    }  # fmt: skip
    assert tuple(shown["resnet18"].mean) == (0.485, 0.456, 0.406)
    assert tuple(shown["efficientnet_v2_l"].mean) == tuple(shown["efficientnet_v2_l"].std) == (0.5, 0.5, 0.5)


def test_a_wrong_name_and_wrong_weights_are_reported(weights: Callable[[str], Path]) -> None:
    file = weights("squeezenet1_1")
    assert "did you mean 'resnet18'" in refusal(metric, "fd", network="resnet81", weights=file)
    for other in ("retinanet_resnet50_fpn", "quantized_resnet18", "raft_small", "mc3_18"):
        assert f"torchvision has no classifier {other!r}" in refusal(metric, "fd", network=other, weights=file)
    assert "timm has no model 'no_such'" in refusal(metric, "fd", library="timm", network="no_such", weights=file)
    assert "weights of another architecture than resnet18" in refusal(metric, "fd", network="resnet18", weights=file)
    assert "no classifier" in refusal(metric, "fd", network="mnasnet0_5", weights=file)


def test_label_maps_are_left_out_and_refused_where_there_is_nothing_else(weights: Callable[[str], Path]) -> None:
    made: Metric = metric("fd", weights=weights("squeezenet1_1"))
    data = Noise(size=8)
    data.channels, data.classes = {"A": 19, "B": 3}, {"A": 19}
    made.bind(CycleGAN(), Reader(data, ImageSettings(size=8)))
    assert made.directions == ("AB",)
    data.channels = {"A": 19, "B": 5}
    assert "fd_squeezenet1_1 needs images" in refusal(made.bind, CycleGAN(), Reader(data, ImageSettings(size=8)))


@pytest.mark.skipif(not PUBLISHED.is_file(), reason=f"needs the published weights: {PUBLISHED}")
def test_published_features_know_paintings_from_horses() -> None:
    """Two halves of one set are nearer to one another than two sets are."""
    made = metric("fd", weights=PUBLISHED)

    def features(folder: str) -> torch.Tensor:
        found = [to_float(read_image(file, 3))[None] for file in find_images(DATA / folder)[:50]]
        return torch.cat([made.network.features(Step({"fake_B": one}), "fake_B") for one in found])

    paintings, horses = features("monet2photo/testA"), features("horse2zebra/testA")
    within = frechet(paintings[::2], paintings[1::2])
    assert frechet(paintings[::2], horses[::2]) > 2 * within
