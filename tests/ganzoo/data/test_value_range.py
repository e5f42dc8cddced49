"""Values of any type and depth on the scale of samples, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import read_image, to_float, write_image
from ganzoo.data.value_range import ValueRange, check_range, from_scale
from tests.support.command_line import refusal
from tests.support.random_images import save

CASES = [
    ((0, 4095), np.uint16, ".png"),
    ((0, 65535), np.uint16, ".png"),
    ((-1000, 3095), np.int32, ".tif"),
    ((0, 70000), np.int32, ".tif"),
    ((-0.5, 2.0), np.float32, ".tif"),
]


@pytest.mark.parametrize(("value_range", "kind", "suffix"), CASES)
def test_every_level_survives_reading_and_writing(
    tmp_path: Path, value_range: ValueRange, kind: type, suffix: str
) -> None:
    low, high = value_range
    values = np.linspace(low, high, 48 * 50).reshape(48, 50)
    values = values.astype(np.float32) if kind is np.float32 else np.rint(values).astype(kind)
    domain_io = DomainIO(1, value_range=value_range)
    assert domain_io.suffix == suffix
    pixels = domain_io.read(save(tmp_path / f"in{suffix}", values))
    assert pixels.dtype == np.float32 and pixels.shape == (48, 50, 1)
    expected = (values.astype(np.float64) - low) / (high - low) * 2 - 1
    batch = domain_io.batch(pixels)
    assert batch.dtype == torch.float32
    np.testing.assert_allclose(batch[0, 0].numpy(), expected, atol=1e-6)
    write_image(domain_io.image(batch[0]), tmp_path / f"out{suffix}")
    with Image.open(tmp_path / f"out{suffix}") as written:
        back = np.asarray(written)
    np.testing.assert_allclose(back, values, atol=0 if kind is not np.float32 else 1e-6)
    assert back.dtype == kind


def test_arrays_of_any_type_and_number_of_channels(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(-1000, 3000, (5, 6, 4)).astype(np.int16)
    np.save(tmp_path / "in.npy", values)
    domain_io = DomainIO(4, value_range=(-1000, 3000))
    assert domain_io.suffix == ".npy"
    write_image(domain_io.array(domain_io.batch(domain_io.read(tmp_path / "in.npy"))[0]), tmp_path / "out.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "out.npy"), values)
    assert "no image file holds this domain's images of 4 channels" in refusal(domain_io.image, torch.zeros(4, 2, 2))


def test_values_outside_are_clipped_and_grey_becomes_colour(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array([[0, 2000, 4095, 65535]], np.uint16))
    pixels = read_image(path, 3, (1000, 3000))
    assert pixels.shape == (1, 4, 3)
    np.testing.assert_allclose(pixels[0, :, 2], [0, 127.5, 255, 255])


def test_images_of_8_bits_with_a_range_are_values_as_well(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", np.array([[[0, 51, 255]]], np.uint8))
    np.testing.assert_allclose(read_image(path, 3, (0, 510)).ravel(), [0, 25.5, 127.5])
    np.testing.assert_allclose(to_float(read_image(path, 3, (0, 255))), to_float(read_image(path, 3)), atol=1e-6)


@pytest.mark.parametrize(("low", "high"), [(0, 2**32 - 1), (-(2**31) - 1, 5), (-(2**53), 2**53)])
def test_integers_of_more_than_32_bits_are_written_as_64(tmp_path: Path, low: int, high: int) -> None:
    domain_io = DomainIO(1, value_range=check_range((low, high), "range"))
    assert domain_io.suffixes == (".npy",)
    np.save(tmp_path / "in.npy", np.array([[low, high]], np.int64))
    batch = domain_io.batch(domain_io.read(tmp_path / "in.npy"))
    values = domain_io.array(batch[0])
    assert values.dtype == np.int64 and values.ravel().tolist() == [low, high]
    assert f"1 channels and the range [{low}, {high}]" in refusal(domain_io.image, batch[0])


@pytest.mark.parametrize(("low", "high"), [(-(2**31), 2**31 - 1), (-1, 65535)])
def test_integers_of_32_bits_fit_into_a_file(tmp_path: Path, low: int, high: int) -> None:
    domain_io = DomainIO(1, value_range=(low, high))
    assert domain_io.suffix == ".tif"
    write_image(domain_io.image(torch.tensor([[[-1.0, 1.0]]])), tmp_path / "out.tif")
    with Image.open(tmp_path / "out.tif") as written:
        assert np.asarray(written).ravel().tolist() == [low, high]


@pytest.mark.parametrize("value_range", [(1, 1), (2, 1), (0, float("inf")), (float("nan"), 1.0)])
def test_a_wrong_range_is_refused(value_range: ValueRange) -> None:
    assert refusal(check_range, value_range, "range.A").startswith("range.A is [")


@pytest.mark.parametrize("value_range", [(0, 2**53 + 1), (-(10**400), 1), (0.0, 1e39), (-1e308, 1e308), (0.5, 10**400)])
def test_values_that_cannot_be_computed_are_refused(value_range: ValueRange) -> None:
    text = refusal(check_range, value_range, "range.A")
    assert text.startswith("range.A is [") and "; write the files with values between -" in text


def test_values_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[[np.nan]]], np.float32))
    assert "values that are not finite" in refusal(read_image, tmp_path / "a.npy", 1, (0.0, 1.0))


def test_outputs_beyond_the_scale_are_clamped() -> None:
    output = torch.tensor([-7.0, float("nan"), 7.0]).reshape(1, 1, 3)
    assert from_scale(output, (-5, 5)).ravel().tolist() == [-5, -5, 5]
