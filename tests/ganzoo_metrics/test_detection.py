"""Boxes' classes against a search among proposals for the very boxes that a detector reports."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads  # type: ignore[import-untyped]

from ganzoo_metrics.detection import box_logits
from tests.support.feature_networks import DETECTOR, build_model


@pytest.fixture(scope="module")
def detector() -> Any:
    return build_model(DETECTOR, 6)


def plainly(detector: Any, image: Tensor) -> Tensor:
    """Return the logits of the proposals from which some reported box was regressed, with its probability."""
    kept: dict[str, Any] = {}
    hooks = [
        detector.rpn.register_forward_hook(lambda _, given, out: kept.update(proposals=out[0][0])),
        detector.roi_heads.box_predictor.register_forward_hook(lambda _, given, out: kept.update(made=out)),
        detector.roi_heads.register_forward_hook(
            lambda _, given, out: kept.update(out=dict(out[0][0]), sizes=given[2])
        ),
    ]
    detector([image])
    for hook in hooks:
        hook.remove()
    logits, deltas = kept["made"]
    regressed = detector.roi_heads.box_coder.decode(deltas, [kept["proposals"]])
    height, width = kept["sizes"][0]
    regressed[..., 0::2] = regressed[..., 0::2].clamp(0, width)
    regressed[..., 1::2] = regressed[..., 1::2].clamp(0, height)
    found = set()
    shares = logits.softmax(1)
    for box, label, score in zip(*(kept["out"][name] for name in ("boxes", "labels", "scores")), strict=True):
        distance = (regressed[:, label] - box).abs().amax(1) + (shares[:, label] - score).abs()
        assert float(distance.min()) < 1e-3
        found.add(int(distance.argmin()))
    return logits[sorted(found)]


@pytest.mark.parametrize("threshold", [0.15, 0.2])
@torch.no_grad()
def test_they_are_of_the_boxes_that_are_reported(detector: Any, threshold: float) -> None:
    image = torch.rand(3, 60, 80, generator=torch.Generator().manual_seed(1))
    found = box_logits(detector, image, threshold)
    assert detector.roi_heads.score_thresh == threshold
    expected = plainly(detector, image)
    torch.testing.assert_close(found, expected)
    assert 2 < len(found) < len(detector([image])[0]["boxes"])  # some are reported for several classes


@torch.no_grad()
def test_a_image_without_boxes_has_none(detector: Any) -> None:
    assert box_logits(detector, torch.zeros(3, 40, 40), 0.999).shape == (0, 6)


def test_neither_the_same_probability_nor_the_same_box_makes_two_of_one() -> None:
    """Of boxes of one place one is reported, though its probability, or, where images end, its sides are others'."""
    proposals = torch.tensor([
        [10.0, 10, 30, 30], [60, 10, 80, 30], [11, 10, 31, 30],  # the third lies over the first
        [40, 60, 120, 120], [40, 60, 140, 130],  # both leave the image, at the same sides
    ])  # fmt: skip
    logits = torch.tensor([[0.0, 50, 0], [0, 60, 0], [0, 70, 0], [0, 0, 3], [0, 0, 2]])
    predictor = lambda _: (logits, torch.zeros(5, 12))  # noqa: E731
    heads = RoIHeads(lambda *_: None, lambda _: None, predictor, 0.5, 0.5, 1, 0.5, None, 0.05, 0.5, 100)
    detector = SimpleNamespace(
        transform=lambda images: (SimpleNamespace(tensors=None, image_sizes=[(100, 100)]), None),
        backbone=lambda _: None,
        rpn=lambda *_: ([proposals], None),
        roi_heads=heads,
    )
    found = box_logits(detector, torch.zeros(3, 100, 100), 0.5)
    assert found.tolist() in ([[0, 50, 0], [0, 60, 0], [0, 0, 3]], [[0, 60, 0], [0, 70, 0], [0, 0, 3]])
