"""Networks by name: their weights and where they come from, what they see, and mistakes."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest
import torch
from torchvision.models import get_model_weights  # type: ignore[import-untyped]

from ganzoo.weights import WeightsFile
from ganzoo.weights.store import lookup
from ganzoo_metrics.networks import Task, pretrained
from tests.support.command_line import refusal
from tests.support.feature_networks import CLASSIFIER, DETECTOR, SEGMENTER, build_model, save_model

CHEAP: dict[Task, str] = {"classification": CLASSIFIER, "segmentation": SEGMENTER, "detection": DETECTOR}


@pytest.mark.parametrize("task", CHEAP)
def test_the_weights_are_those_of_the_file(task: Task, tmp_path: Path) -> None:
    file = save_model(tmp_path, CHEAP[task], 5)
    found = pretrained("m", task, CHEAP[task], file, 5)
    expected = build_model(CHEAP[task], 5).state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in found.network.state_dict().items())
    assert not found.network.training
    assert not any(one.requires_grad for one in found.network.parameters())
    assert found.label == f"torchvision/{CHEAP[task]}"
    assert (found.source.path, found.source.key) == (file, sha256(file.read_bytes()).hexdigest()[:16])


def test_parts_for_training_are_left_out(tmp_path: Path) -> None:
    file = save_model(tmp_path, "googlenet", 5, aux_logits=True, init_weights=False)
    network = pretrained("m", "classification", "googlenet", file, 5).network
    assert network.transform_input and network.aux1 is None


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_seen_as_in_training(channels: int, tmp_path: Path) -> None:
    """torchvision's transforms, which crop to 224 pixels what was scaled to 256, written out."""
    images = torch.rand(2, channels, 40, 60, generator=torch.Generator().manual_seed(0)) * 3 - 1.5
    scaled = torch.nn.functional.interpolate(
        (images.clamp(-1, 1) + 1) / 2, (256, 384), mode="bilinear", antialias=True
    ).expand(-1, 3, -1, -1)[:, :, 16:240, 80:304]
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    expected = (scaled - mean[:, None, None]) / std[:, None, None]
    network = pretrained("m", "classification", CLASSIFIER, save_model(tmp_path, CLASSIFIER, 5), 5)
    torch.testing.assert_close(network.prepare(images), expected)
    torch.testing.assert_close(network.prepare(images.bfloat16()), expected, atol=0.05, rtol=0)


@pytest.mark.parametrize(
    ("task", "classes", "address"),
    [
        ("classification", 1000, get_model_weights(CLASSIFIER).IMAGENET1K_V1.url),
        ("segmentation", 21, get_model_weights(SEGMENTER).COCO_WITH_VOC_LABELS_V1.url),
        ("detection", 91, get_model_weights(DETECTOR).COCO_V1.url),
    ],
)
def test_without_a_file_torchvision_s_are_fetched(
    task: Task, classes: int, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str | WeightsFile] = []

    def find(wanted: str | WeightsFile) -> Path:
        asked.append(wanted)
        return save_model(tmp_path, CHEAP[task], classes)

    monkeypatch.setattr("ganzoo_maskers.pretrained.find", find)
    found = pretrained("m", task, CHEAP[task])
    expected = build_model(CHEAP[task], classes).state_dict()
    assert all(torch.equal(one, expected[name]) for name, one in found.network.state_dict().items())
    (wanted,) = asked
    assert (lookup(wanted) if isinstance(wanted, str) else wanted).address == address
    assert found.prepare(torch.zeros(1, 3, 24, 24)).shape[-1] == {1000: 224, 21: 520, 91: 24}[classes]


def test_mistakes_are_reported(tmp_path: Path) -> None:
    message = refusal(pretrained, "m", "classification", "resnt50")
    assert message == "m: torchvision has no model for classification 'resnt50' (did you mean 'resnet50'?)"
    assert "no model for segmentation 'resnet50'" in refusal(pretrained, "m", "segmentation", "resnet50")
    message = refusal(pretrained, "m", "detection", "retinanet_resnet50_fpn")
    assert "m: torchvision has no Faster R-CNN 'retinanet_resnet50_fpn'" in message
    message = refusal(pretrained, "m", "classification", CLASSIFIER, save_model(tmp_path, CLASSIFIER, 5), 6)
    assert "squeezenet1_1-5.safetensors: weights of another architecture than squeezenet1_1 with 6 classes" in message
    assert "no such weights file" in refusal(pretrained, "m", "classification", CLASSIFIER, tmp_path / "nowhere.pth")
