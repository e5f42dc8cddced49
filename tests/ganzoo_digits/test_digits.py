"""The embedded digits: what is known of every image, the judges, and the metric on oracles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo.data.image_io import to_float
from ganzoo.data.loader import Reader
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Sample, Split
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo.utils.cache import cache_folder
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.resnet import ResNet
from ganzoo_digits import classifiers
from ganzoo_digits.dataset import StripedDigits
from ganzoo_digits.metric import DigitsDistance, DigitsMetric
from ganzoo_metrics.background import BackgroundL1
from tests.support.command_line import refusal
from tests.support.stand_in_methods import Noise


@pytest.fixture(scope="module")
def digits() -> StripedDigits:
    return StripedDigits()


@pytest.fixture(scope="module")
def metric(digits: StripedDigits) -> DigitsMetric:
    made = DigitsMetric()
    made.bind(CycleGAN(), Reader(digits, ImageSettings(size=32)))
    made.prepare(0)
    return made


def step_of(digits: StripedDigits, fake: Tensor | None = None) -> Step:
    """Return all test images of A as a step, translated by the true pair unless stated otherwise."""
    samples = [digits.sample("test", "A", i) for i in range(digits.count("test", "A"))]
    tensors = {
        "real_A": to_float(np.stack([one.image for one in samples])),
        "true_B": to_float(np.stack([one.target for one in samples if one.target is not None])),
        "given_mask_A": torch.tensor(np.stack([one.mask for one in samples if one.mask is not None]))[:, None] / 255,
        "digit_A": torch.tensor([one.values["digit"] for one in samples]),
    }
    return Step(tensors | {"fake_B": tensors["true_B"] if fake is None else fake}, samples=range(len(samples)))


def values_of(metric: DigitsMetric, step: Step) -> dict[str, float]:
    return metric.compute(metric.rows(step, "AB"), {})


def test_the_splits_share_no_scan() -> None:
    digits = StripedDigits(held_out=500)
    scans = {
        (split, domain): {digits.sample(split, domain, i).name[-5:] for i in range(digits.count(split, domain))}
        for split in ("train", "validation", "test")
        for domain in "AB"
    }
    assert {key: len(value) for key, value in scans.items() if key[0] != "train"} == {
        ("validation", "A"): 97, ("validation", "B"): 97, ("test", "A"): 500, ("test", "B"): 500
    }  # fmt: skip
    apart = [scans["train", "A"], scans["train", "B"], scans["validation", "A"], scans["test", "A"]]
    assert len(set().union(*apart)) == sum(map(len, apart)) == 1797


def test_images_are_drawn_alike_each_time_and_differ_by_seed(digits: StripedDigits) -> None:
    again, other = StripedDigits(), StripedDigits(seed=1)
    assert np.array_equal(digits.sample("train", "B", 3).image, again.sample("train", "B", 3).image)
    assert not np.array_equal(digits.sample("train", "B", 3).image, other.sample("train", "B", 3).image)


@pytest.mark.parametrize("size", [16, 32, 48])
def test_a_pair_differs_inside_the_glyph_alone(size: int) -> None:
    sample = StripedDigits(size=size).sample("train", "A", 0)
    assert sample.target is not None and sample.mask is not None
    assert sample.image.shape == sample.target.shape == (size, size, 3)
    outside = sample.mask == 0
    assert 0.2 < outside.mean() < 0.95
    assert np.array_equal(sample.image[outside], sample.target[outside])
    inside = sample.mask == 255
    assert np.abs(sample.image[inside].astype(int) - sample.target[inside]).max(1).min() > 50
    assert sample.image[inside].max() < 45
    assert sample.target[inside][:, 0].min() > 180  # yellow and red are both full of red


def test_the_clutter_is_the_same_in_both_domains(digits: StripedDigits) -> None:
    means = {}
    for domain in "AB":
        samples = [digits.sample("train", domain, i) for i in range(550)]
        means[domain] = np.array([one.image[one.mask == 0].mean(0) for one in samples])
    spread = means["A"].std(0) / np.sqrt(550)
    assert (np.abs(means["A"].mean(0) - means["B"].mean(0)) < 4 * np.sqrt(2) * spread).all()
    for statistic in (np.std, np.ptp):
        a, b = (statistic(means[domain], axis=0) for domain in "AB")
        np.testing.assert_allclose(a, b, rtol=0.2)


def test_a_perfect_translation(digits: StripedDigits, metric: DigitsMetric) -> None:
    found = values_of(metric, step_of(digits))
    assert found["classified_B"] == 100
    assert found["read"] > 96
    assert found["background_l1"] == 0
    assert found["pair_l1"] == 0


def test_no_translation(digits: StripedDigits, metric: DigitsMetric) -> None:
    step = step_of(digits)
    found = values_of(metric, step_of(digits, step["real_A"]))
    assert found["classified_B"] == found["classified_B_untranslated"] == 0
    assert found["read"] == found["read_untranslated"]
    assert 60 < found["read"] < 95
    assert found["background_l1"] == 0
    assert found["pair_l1"] > 0.1


def test_the_errors_by_their_formulas(digits: StripedDigits, metric: DigitsMetric) -> None:
    step = step_of(digits)
    generator = torch.Generator().manual_seed(0)
    fake = torch.rand(step["real_A"].shape, generator=generator) * 2 - 1
    found = values_of(metric, step_of(digits, fake))
    errors = []
    for made, real, mask in zip(fake.numpy(), step["real_A"].numpy(), step["given_mask_A"].numpy(), strict=True):
        errors.append(np.abs(made - real)[:, mask[0] == 0].mean())
    assert found["background_l1"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert found["pair_l1"] == pytest.approx(np.abs(fake.numpy() - step["true_B"].numpy()).mean(), rel=1e-5)
    found_b = metric.domain(fake).argmax(1).float().mean()
    assert found["classified_B"] == pytest.approx(100 * float(found_b))
    assert found["read"] < 30


def test_what_untrained_generators_make_does_not_pass_for_b(digits: StripedDigits, metric: DigitsMetric) -> None:
    step = step_of(digits)
    for seed in range(3):
        torch.manual_seed(seed)
        with torch.no_grad():
            made = ResNet(3, 3, width=24, blocks=3)(step["real_A"])
        assert values_of(metric, step_of(digits, made))["classified_B"] < 10


def test_a_flat_filling_passes_the_classifiers_and_only_the_pair_error_tells(
    digits: StripedDigits, metric: DigitsMetric
) -> None:
    """The README says so: the A/B judge goes by colour."""
    step = step_of(digits)
    orange = torch.tensor([0.91, 0.45, 0.09]).view(1, 3, 1, 1) * 2 - 1  # the mean of the two stripes' colours
    filled = step["given_mask_A"] * orange + (1 - step["given_mask_A"]) * step["real_A"]
    found = values_of(metric, step_of(digits, filled))
    assert found["classified_B"] > 90
    assert found["pair_l1"] > 0.05


def test_a_classifiers_is_kept_and_a_damaged_one_made_anew(digits: StripedDigits, metric: DigitsMetric) -> None:
    (file,) = (cache_folder() / "classifiers").glob("domain-*.cached")
    whole, state = file.read_bytes(), torch.get_rng_state()
    file.write_bytes(whole[:100])
    again = classifiers.domain_classifier(digits)
    assert file.read_bytes() == whole
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), metric.domain.parameters(), strict=True))


def test_a_cache_that_cannot_be_written_is_no_error(
    digits: StripedDigits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.touch()
    monkeypatch.setenv("GANZOO_CACHE", str(blocked))
    monkeypatch.setitem(classifiers.EPOCHS, "domain", 0.05)
    assert classifiers.domain_classifier(digits)(torch.zeros(1, 3, 32, 32)).shape == (1, 2)


def test_other_data_is_refused() -> None:
    with pytest.raises(GanzooError, match="striped_digits alone"):
        DigitsMetric().bind(CycleGAN(), Reader(Noise(), ImageSettings(size=8)))


@pytest.mark.parametrize(("options", "message"), [({"size": 8}, "at least 16"), ({"held_out": 1790}, "from 1 to 1698")])
def test_bad_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        StripedDigits(**options)


def test_pairs_are_the_true_ones_in_training_and_change_nothing_held_out(digits: StripedDigits) -> None:
    pairs = StripedDigits(pairs=True)
    assert pairs.paired and not digits.paired
    assert pairs.count("train", "A") == pairs.count("train", "B") == digits.count("train", "A")
    for index in (0, 7):
        a, b = (pairs.sample("train", domain, index) for domain in "AB")
        assert np.array_equal(a.image, digits.sample("train", "A", index).image)
        assert a.target is not None and np.array_equal(a.target, b.image)
        for domain in "AB":
            mine, theirs = (one.sample("test", domain, index).image for one in (pairs, digits))
            assert np.array_equal(mine, theirs)
    other = StripedDigits(pairs=True, backgrounds="different").sample("train", "A", 3)
    same = StripedDigits(pairs=True, backgrounds="different").sample("train", "B", 3)
    assert other.target is not None and np.array_equal(other.target, same.image)


def test_the_classifiers_are_the_same_for_pairs(digits: StripedDigits, metric: DigitsMetric) -> None:
    for make, there in ((classifiers.domain_classifier, metric.domain), (classifiers.digit_classifier, metric.digit)):
        found = make(StripedDigits(pairs=True)).state_dict()
        assert all(torch.equal(one, there.state_dict()[name]) for name, one in found.items())


def test_true_pairs_are_near_to_b_by_the_classifiers_features_and_originals_far(digits: StripedDigits) -> None:
    made = DigitsDistance()
    made.bind(CycleGAN(), Reader(digits, ImageSettings(size=32)))
    made.prepare(0)
    step = step_of(digits)
    step["real_B"] = to_float(np.stack([digits.sample("test", "B", i).image for i in range(600)]))
    real = made.reference_rows(step, "B")
    near = made.compute(made.rows(step, "AB"), real)["fd_classifier"]
    far = made.compute(made.rows(step_of(digits, step["real_A"]), "AB"), real)["fd_classifier"]
    assert 0 <= near < 0.1 * far


def test_what_is_measured_has_the_size_that_the_classifiers_learn_from() -> None:
    data = StripedDigits(size=16)
    for metric in (DigitsMetric(), DigitsDistance()):
        metric.bind(CycleGAN(), Reader(data, ImageSettings(size=16)))
        message = refusal(metric.bind, CycleGAN(), Reader(data, ImageSettings(size=20)))
        assert "its classifiers learn from the data set's images as they are, 16 pixels a side" in message
        assert message.endswith("the measured images have 20: set images.size=16 or data.size=20")
    message = refusal(DigitsDistance().bind, CycleGAN(), Reader(Noise(size=16), ImageSettings(size=20)))
    assert message.endswith("set images.size=16")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([], "and there are none"),
        ([(20, 20), (20, 20), (16, 16)], "and these are not"),
        ([(20, 16)], "and these are not"),
    ],
)
def test_training_images_that_no_classifiers_can_learn_from_are_reported(
    shapes: list[tuple[int, int]], message: str
) -> None:
    class Shaped(Noise):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            return Sample(np.zeros((*shapes[index], 3), np.uint8), f"{index}.png")

    reader = Reader(Shaped(A=len(shapes), B=len(shapes)), ImageSettings(size=20))
    error = refusal(DigitsDistance().bind, CycleGAN(), reader)
    assert f"digits_distance: its classifiers learn from training images, squares of one size, {message}" in error


def test_translations_are_cut_as_they_are_saved(digits: StripedDigits, metric: DigitsMetric) -> None:
    step = step_of(digits)
    strong, cut = (step_of(digits, fake) for fake in (3 * step["true_B"], (3 * step["true_B"]).clamp(-1, 1)))
    distance = DigitsDistance()
    distance.domain = metric.domain
    for measure in (metric, distance):
        found, expected = measure.rows(strong, "AB"), measure.rows(cut, "AB")
        assert all(torch.equal(one, expected[name]) for name, one in found.items())


def test_the_rims_of_glyphs_are_no_background(digits: StripedDigits, metric: DigitsMetric) -> None:
    """Unlike that of the metric background_l1, which weighs them."""
    step = step_of(digits)
    rims = (step["given_mask_A"] > 0) & (step["given_mask_A"] < 1)
    assert rims.any()
    step["fake_B"] = torch.where(rims, -step["real_A"], step["real_A"])
    assert metric.rows(step, "AB")["background_l1"].eq(0).all()
    other = BackgroundL1()
    other.bind(CycleGAN(), Reader(digits, ImageSettings(size=32)))
    assert other.rows(step, "AB")["error"].gt(0).any()
