"""Entropies against sums over classes in float64, with networks of drawn weights."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.data.loader import Reader
from ganzoo.interfaces import Split
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_baselines.pix2pix import Pix2Pix
from ganzoo_metrics.detection import box_logits
from ganzoo_metrics.entropy import Entropy, entropy
from tests.support.command_line import refusal
from tests.support.feature_networks import CLASSIFIER, DETECTOR, SEGMENTER, build_model, save_model
from tests.support.image_pairs import bind_metric, compute_values
from tests.support.stand_in_methods import Noise, batch_step, engine_of, values_of

MODELS = {"classification": CLASSIFIER, "segmentation": SEGMENTER, "detection": DETECTOR}
OPTIONS: dict[str, dict[str, Any]] = {"classification": {}, "segmentation": {}, "detection": {"threshold": 0.2}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights")


def metric(folder: Path, task: str, reader: Reader | None = None, **options: Any) -> Entropy:
    file = save_model(folder, MODELS[task], 5)
    given = {"model": MODELS[task], "weights": file, "classes": 5, **OPTIONS[task], **options}
    found: Entropy = bind_metric(f"entropy_{task}", reader=reader or Reader(Noise(), ImageSettings(size=24)), **given)
    return found


def plain_entropy(logits: Tensor) -> float:
    """Return the entropy of one softmax, class by class."""
    powers = [math.exp(float(one) - float(logits.max())) for one in logits.double()]
    shares = [one / sum(powers) for one in powers]
    return -sum(one * math.log(one) for one in shares if one > 0)


def plainly(task: str, image: Tensor) -> list[float]:
    """Return the entropies of an image (1, 3, H, W): one, or one a pixel, or one a box."""
    network = build_model(MODELS[task], 5)
    seen = (image.clamp(-1, 1) + 1) / 2
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    if task == "detection":
        return [plain_entropy(one) for one in box_logits(network, seen[0], 0.2)]
    if task == "segmentation":
        scaled = F.interpolate(seen, (520, 520), mode="bilinear", antialias=True)
        maps: Tensor = network((scaled - mean) / std)["out"][0]
        assert maps.shape == (5, 520, 520)
        shares = maps.double().softmax(0).numpy()
        assert plain_entropy(maps[:, 3, 4]) == pytest.approx(-(shares[:, 3, 4] * np.log(shares[:, 3, 4])).sum())
        return [float(-(shares * np.log(shares)).sum(0).mean())]
    scaled = F.interpolate(seen, (256, 256), mode="bilinear", antialias=True)[:, :, 16:240, 16:240]
    return [plain_entropy(network((scaled - mean) / std)[0])]


def translated(count: int = 2) -> Step:
    step = batch_step(count, 24)
    for i in range(count):
        step["real_A"][i] *= 0.3 + 0.3 * i
    step["fake_B"] = step["real_A"].flip(-1) * 1.4
    return step


@pytest.mark.parametrize("task", MODELS)
def test_the_formula(folder: Path, task: str) -> None:
    measure, step = metric(folder, task), translated()
    rows, real = measure.rows(step, "AB"), measure.reference_rows(step, "B")
    found = measure.compute(rows, real)
    for which, name in (("fake", "fake_B"), ("source", "real_A"), ("real", "real_B")):
        each = [plainly(task, one[None]) for one in step[name]]
        counts = [len(one) for one in each]
        figure = f"entropy_{task}_{which}"
        column = {**rows, **real}[which]
        assert column[:, 1].tolist() == counts
        assert column[:, 0].tolist() == pytest.approx([sum(one) for one in each], rel=1e-3)
        assert found[figure] == pytest.approx(sum(map(sum, each)) / sum(counts), rel=1e-3)
        assert 1e-3 < found[figure] < math.log(5)
        if task == "detection":
            assert counts[0] != counts[1]
            assert found[f"{figure}_boxes"] == np.mean(counts)
    assert len(found) == (6 if task == "detection" else 3)


def test_the_entropy_of_shares() -> None:
    assert entropy(torch.zeros(2, 8)).tolist() == pytest.approx([math.log(8)] * 2)
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0)) * 3
    found = entropy(logits)
    assert found.shape == (2, 4, 5)
    assert float(found[1, 2, 3]) == pytest.approx(plain_entropy(logits[1, :, 2, 3]), rel=1e-5)


@pytest.mark.parametrize("task", MODELS)
def test_it_is_measured_in_float32_without_a_graph(folder: Path, task: str) -> None:
    measure, step = metric(folder, task), translated(1)
    step["fake_B"] = step["fake_B"].requires_grad_()
    plain = measure.rows(step, "AB")["fake"]
    assert not plain.requires_grad
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(measure.rows(step, "AB")["fake"], plain)


class Scaled(nn.Module):
    """Multiplies, which is the same for an image by itself and among others."""

    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.tensor(-0.7))

    def forward(self, image: Tensor) -> Tensor:
        return image * self.by


class Uneven(Noise):
    def count(self, split: Split, domain: str) -> int:
        return {"A": 2, "B": 1}[domain]


@pytest.mark.parametrize("task", MODELS)
def test_an_evaluation_does_not_depend_on_its_batches(folder: Path, task: str) -> None:
    method = Pix2Pix()
    engine = engine_of(method, {name: Scaled() for name in method.slots})
    reader = Reader(Uneven(size=24), ImageSettings(size=24))
    found = [values_of(engine, reader, metric(folder, task, reader), batch=batch) for batch in (1, 16)]
    assert found[1] == pytest.approx(found[0], rel=1e-4)
    boxes = "_boxes" if task == "detection" else None
    whiches = ("fake", "source", "real")
    assert set(found[0]) == {f"entropy_{task}_{one}{end}" for one in whiches for end in ("", boxes) if end is not None}
    image = torch.from_numpy(reader.dataset.sample("test", "B", 0).image)
    real, measure = Step({"real_B": image.permute(2, 0, 1)[None] / 127.5 - 1}), metric(folder, task, reader)
    expected = measure.compute({}, measure.reference_rows(real, "B"))[f"entropy_{task}_real"]
    assert found[0][f"entropy_{task}_real"] == pytest.approx(expected, rel=1e-4)


def test_a_set_without_boxes_is_reported(folder: Path) -> None:
    measure, step = metric(folder, "detection", threshold=0.999), translated()
    step["fake_B"] = torch.zeros_like(step["fake_B"])
    assert measure.compute({"source": torch.tensor([[0.5, 2.0], [0.0, 0.0]])}, {}) == {
        "entropy_detection_source": 0.25,
        "entropy_detection_source_boxes": 1.0,
    }
    message = refusal(compute_values, measure, step)
    assert message == "entropy_detection: of 2 images (fake), none has boxes: lower the threshold, or remove the metric"


def test_sources_that_are_not_known_are_left_out(folder: Path) -> None:
    step = translated(1)
    del step["real_A"]
    assert set(metric(folder, "classification").rows(step, "AB")) == {"fake"}


def test_what_real_values_follow_from_is_their_key(folder: Path) -> None:
    keys = [
        metric(folder, "classification").cache_key,
        metric(folder, "segmentation").cache_key,
        metric(folder, "detection").cache_key,
        metric(folder, "detection", threshold=0.3).cache_key,
        metric(folder, "classification", weights=save_model(folder, CLASSIFIER, 4), classes=4).cache_key,
    ]
    assert len(set(keys)) == 5
    measure = metric(folder, "classification")
    assert measure.reference == "measured" and metric(folder, "classification", real="train").reference == "train"
    assert measure.about["network"] == f"torchvision/{CLASSIFIER}"
    assert measure.about["weights"] == measure.sources["weights"].key in measure.cache_key


def test_label_maps_are_left_out(folder: Path) -> None:
    data = Noise()
    data.channels, data.classes = {"A": 19, "B": 3}, {"A": 19}
    measure = metric(folder, "classification", Reader(data, ImageSettings(size=24)))
    assert measure.directions == ("AB",)
    assert set(measure.rows(translated(), "AB")) == {"fake"}
    data.channels, data.classes = {"A": 19, "B": 19}, {"A": 19, "B": 19}
    message = refusal(metric, folder, "classification", Reader(data, ImageSettings(size=24)))
    assert "entropy_classification needs images of 1 or 3 channels that are not label maps" in message
