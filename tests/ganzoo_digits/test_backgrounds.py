"""The digits' backgrounds: alike as ever, or different, so that only the glyph may tell the domains apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ganzoo.data.image_io import to_float
from ganzoo.interfaces import Sample
from ganzoo_digits import classifiers, drawing
from ganzoo_digits.dataset import StripedDigits

# Every eighth pixel of images drawn before there were backgrounds: what is recorded of them must stay true.
DRAWN = {
    "train A 0": "cddddc7982811f1f1fd3c5b5d3c5b53735361f1f1fd3c5b5d3c5b5b9e1e01f1f1fa592bfd2c4b568705b1f1f1fa592bf",
    "train B 3": "80d1acffd41493908d888899c1c9efd5cca8ffd4144b9c93c1c9efd7cd9fb1bb4b73b6904b9c93ffd414ffd4144b9c93",
    "test B 7": "749f98ffd414ffd414749f988a64a2caa653c4db6d75c6ba7c899c9aae74ffd414749f98749f98ffd414afcccf749f98",
}


@pytest.fixture(scope="module")
def different() -> StripedDigits:
    return StripedDigits(backgrounds="different")


def samples(digits: StripedDigits, split: Any, domain: str) -> list[Sample]:
    return [digits.sample(split, domain, index) for index in range(digits.count(split, domain))]


def targets(digits: StripedDigits, split: Any, domain: str) -> np.ndarray:
    return np.stack([one.target for one in samples(digits, split, domain) if one.target is not None])


def images(digits: StripedDigits, split: Any, domain: str) -> np.ndarray:
    return np.stack([one.image for one in samples(digits, split, domain)])


@pytest.mark.parametrize("place", DRAWN)
def test_alike_is_drawn_as_ever(place: str) -> None:
    split, domain, index = place.split()
    expected = np.frombuffer(bytes.fromhex(DRAWN[place]), np.uint8).reshape(4, 4, 3)
    drawn = images(StripedDigits(), split, domain)[int(index), 4::8, 4::8]
    # processors round sines differently, by less than a step of the 255
    np.testing.assert_allclose(drawn.astype(int), expected, atol=1)


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_the_grounds_differ_in_colour(different: StripedDigits, split: Any) -> None:
    """A's grounds are cool and B's warm: in every image but a few, red leads blue in B alone."""
    lead: dict[str, np.ndarray] = {}
    for domain in "AB":
        grounds = [one.image[one.mask == 0].mean(0) for one in samples(different, split, domain)]
        lead[domain] = np.array([red - blue for red, _, blue in grounds])
    assert lead["A"].mean() < -20
    assert lead["B"].mean() > 40
    assert (lead["A"] < lead["B"].min()).mean() > 0.95


def test_the_grounds_differ_in_structure() -> None:
    """Edges of A's grounds lie along the axes, those of B's do not, whatever the colours."""
    upright: dict[str, float] = {}
    for name, landscape in {"A": drawing.MEADOW, "B": drawing.SAVANNA}.items():
        rises = []
        for seed in range(20):
            grey = drawing.clutter(np.random.default_rng(seed), 64, landscape).mean(2)
            down, right = (np.abs(rise)[1:-1, 1:-1] for rise in np.gradient(grey))
            edge = np.hypot(down, right) > 0.03
            rises.append((np.minimum(down, right)[edge] < 0.1 * np.maximum(down, right)[edge]).mean())
        upright[name] = float(np.mean(rises))
    assert upright["A"] > 0.8
    assert upright["B"] < 0.4


@pytest.mark.parametrize("landscape", [drawing.MEADOW, drawing.SAVANNA])
def test_glyphs_stand_out(landscape: drawing.Landscape) -> None:
    for seed in range(50):
        ground = drawing.clutter(np.random.default_rng(seed), 32, landscape)
        assert ground.min(axis=2).min() > 0.25  # nowhere as dark as a glyph …
        saturation = 1 - ground.min(axis=2) / ground.max(axis=2)
        assert saturation.max() < 0.6  # … nor as bright in colour as a stripe


@pytest.mark.parametrize(("split", "domain"), [("train", "A"), ("train", "B"), ("test", "A"), ("test", "B")])
def test_a_target_differs_inside_the_glyph_alone(different: StripedDigits, split: Any, domain: str) -> None:
    for one in samples(different, split, domain)[:50]:
        assert one.target is not None and one.mask is not None
        assert np.array_equal(one.image[one.mask == 0], one.target[one.mask == 0])
        gap = np.abs(one.image.astype(int) - one.target).max(2)
        assert gap[one.mask == 255].min() > 50


def taught(digits: StripedDigits, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return what the judges would be trained on: name → images, classes."""
    seen: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def note(name: str, images: np.ndarray, classes: np.ndarray) -> None:
        seen[name] = (images, classes)

    monkeypatch.setattr(classifiers, "_load_or_train", note)
    classifiers.domain_classifier(digits)
    classifiers.digit_classifier(digits)
    return seen


def test_the_classifiers_of_alike_learn_from_what_they_ever_did(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = StripedDigits()
    seen = taught(digits, monkeypatch)
    both = np.concatenate([images(digits, "train", "A"), images(digits, "train", "B")])
    shown, classes = seen["domain"]
    np.testing.assert_array_equal(shown, np.concatenate([both, classifiers._distort(both)]))
    assert classes.tolist() == [0] * 550 + [1] * 550 + [0] * 1100


def test_the_classifiers_of_different_see_both_glyphs_on_both_grounds(
    different: StripedDigits, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = taught(different, monkeypatch)
    shown, classes = seen["domain"]
    np.testing.assert_array_equal(shown[2200:2750], targets(different, "train", "A"))
    np.testing.assert_array_equal(shown[2750:], targets(different, "train", "B"))
    assert classes.tolist() == [0] * 550 + [1] * 550 + [0] * 1100 + [1] * 550 + [0] * 550
    striped_on_both = [targets(different, "train", "A"), images(different, "train", "B")]
    np.testing.assert_array_equal(seen["digit"][0], np.concatenate(striped_on_both))


def test_the_classifiers_of_different_goes_by_the_glyph(
    different: StripedDigits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path))
    classifier = classifiers.domain_classifier(different)

    def share_of_b(images: np.ndarray) -> float:
        return 100 * float((classifier(to_float(images)).argmax(1) == 1).float().mean())

    with torch.no_grad():
        assert share_of_b(targets(different, "test", "A")) >= 95  # striped on A's ground
        assert share_of_b(images(different, "test", "B")) >= 95
        assert share_of_b(targets(different, "test", "B")) <= 5  # dark on B's ground
        assert share_of_b(images(different, "test", "A")) <= 5
