"""What a data set must declare and return: each planted mistake is one line with the author's file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from ganzoo.contracts.dataset import check_dataset, check_names, check_repeats, check_sample, check_scale
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError
from ganzoo.interfaces import Dataset, Sample, Split


class Good(Dataset):
    """A data set with an image of each domain; a test changes what is to be wrong."""

    def __init__(self, *, root: str = "", A: str = "") -> None:
        self.number: Any = 2

    def count(self, split: Split, domain: str) -> int:
        if isinstance(self.number, Mapping):
            return int(self.number[domain])
        count: int = self.number
        return count

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        raise AssertionError("what is declared is checked without reading an image")


class LabelMaps(Good):
    def __init__(self) -> None:
        super().__init__()
        self.channels, self.classes = {"A": 4, "B": 3}, {"A": 4}


ORIGIN = Origin(Good, "dataset", "good", "mine")
IMAGE = np.arange(8 * 6 * 3, dtype=np.uint8).reshape(8, 6, 3)
SAMPLE = Sample(IMAGE, "0.png")


def changed(**planes: Any) -> Sample:
    """Return the sample with other planes, which may be wrong."""
    return replace(SAMPLE, **planes)


def problem(wrong: type[Dataset] | Dataset) -> str:
    with pytest.raises(ComponentError) as caught:
        check_dataset(wrong() if isinstance(wrong, type) else wrong, ORIGIN)
    (line,) = str(caught.value).splitlines()
    assert line.startswith("dataset 'good' of plugin 'mine': ") and __file__ in line
    return line


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"channels": {"A": 3, "C": 3}}, "channels is {'A': 3, 'C': 3}; expected domain → number of channels, for A"),
        ({"channels": {"B": 3}}, "channels is {'B': 3}; expected domain"),
        ({"channels": {"A": 3, "B": 0}}, "channels is {'A': 3, 'B': 0}; expected domain"),
        ({"channels": 3}, "channels is 3; expected domain"),
        ({"classes": {"A": 5}}, "classes is {'A': 5}; expected at least 2 for A, and as many as it has channels, 3"),
        ({"classes": {"A": 1}, "channels": {"A": 1}}, "classes is {'A': 1}; expected at least 2 for A"),
        ({"classes": {"C": 5}}, "classes is {'C': 5}; expected domain → number of classes, for domains of {'A': 3"),
        ({"ranges": {"A": (5, 1)}}, "ranges is {'A': (5, 1)}; expected domain → (smallest value, largest value)"),
        ({"ranges": {"A": "many"}}, "ranges is {'A': 'many'}; expected domain"),
        ({"ranges": {"C": (1, 5)}}, "ranges is {'C': (1, 5)}; expected domain"),
        ({"paired": "yes"}, "paired is 'yes'; expected True or False"),
        ({"version": 3}, "version is 3; expected a text"),
        ({"alternatives": (("root",), ("A", "C"))}, "expected options alone; 'C' is none (there are: A, root)"),
        ({"alternatives": ("root", "A")}, "expected groups of options, such as"),
        ({"alternatives": 5}, "alternatives is 5; expected groups of options"),
    ],
)
def test_what_a_data_set_declares(attributes: dict[str, Any], expected: str) -> None:
    assert expected in problem(type("Changed", (Good,), attributes))


@pytest.mark.parametrize(
    ("count", "expected"),
    [
        (2.0, "count returned the float 2.0 for train A; expected an int, 0 or more"),
        (-1, "count returned the int -1 for train A"),
        (None, "count returned None for train A"),
        (True, "count returned the bool True for train A"),
        ({"A": "x"}, "count failed: ValueError: invalid literal"),
    ],
)
def test_counts(count: Any, expected: str) -> None:
    good = Good()
    good.number = count
    assert expected in problem(good)


def test_paired_data_has_equal_counts() -> None:
    good = Good()
    good.number = {"A": 3, "B": 4}
    check_dataset(good, ORIGIN)
    good.paired = True
    assert "count returned 3 for train A, 4 for train B; expected equal numbers of images" in problem(good)


def test_a_range_of_a_domain_without_images_is_no_mistake() -> None:
    alone = Good()
    alone.channels, alone.ranges = {"A": 1}, {"A": (0, 4095), "B": (0, 4095)}
    check_dataset(alone, ORIGIN)


def test_a_right_data_set_passes() -> None:
    good = Good()
    good.number = np.int64(2)
    check_dataset(good, ORIGIN)
    check_dataset(LabelMaps(), ORIGIN)


GREY, PLANE = IMAGE[:, :, :1], IMAGE[:, :, 0]
WRONG_SAMPLES: list[tuple[Any, str]] = [
    (None, "sample returned None for train A 3; expected a Sample"),
    (
        (IMAGE, "0.png"),
        "sample returned a tuple of 2 values for train A 3; expected a Sample, made by Sample(image, name)",
    ),
    (IMAGE, "sample returned an array of shape (8, 6, 3), uint8 for train A 3; expected a Sample"),
    (changed(image=Image.fromarray(IMAGE)), "returned image: an Image for train A 3; expected a uint8 array"),
    (changed(image=IMAGE / 255), "image: an array of shape (8, 6, 3), float64 with values 0 … 0.5608"),
    (changed(image=np.float32(IMAGE) - 9), "values from -9 to 134 for train A 3; expected values 0 … 255"),
    (
        changed(image=np.float32(IMAGE) * np.nan),
        "values from nan to nan for train A 3; expected values 0 … 255",
    ),
    (changed(image=IMAGE.astype(np.int64)), "image: an array of shape (8, 6, 3), int64 with values 0 … 143"),
    (changed(image=PLANE), "image: an array of shape (8, 6), uint8 with values 0 … 141"),
    (changed(image=GREY), "expected a uint8 array (H, W, 3), as channels says 3 for A"),
    (
        changed(image=IMAGE.transpose(2, 0, 1)),
        "of shape (3, 8, 6), uint8 with values 0 … 143 for train A 3; expected a",
    ),
    (changed(image=IMAGE[:0]), "image: an array of shape (0, 6, 3), uint8 for train A 3"),
    (changed(name=""), "a name that is the text '' for train A 3; expected a text that no other image"),
    (changed(name=3), "a name that is the int 3 for train A 3"),
    (
        changed(mask=PLANE[:4]),
        "mask of size (4, 6) for train A 3; expected the image's height and width, (8, 6)",
    ),
    (
        changed(mask=PLANE > 9),
        "mask: an array of shape (8, 6), bool for train A 3; expected a uint8 array (H, W)",
    ),
    (changed(mask=PLANE / 255), "mask: an array of shape (8, 6), float64 with values 0 … 0.5529"),
    (changed(mask=PLANE - np.int16(300)), "mask: an array of shape (8, 6), int16 with values -300 … -159"),
    (changed(mask=GREY), "mask: an array of shape (8, 6, 1), uint8"),
    (changed(labels=np.full((8, 6), -1)), "labels: an array of shape (8, 6), int64 with values -1 … -1"),
    (
        changed(labels=np.zeros((8, 6), np.float32)),
        "labels: an array of shape (8, 6), float32 with values 0 … 0",
    ),
    (changed(labels=PLANE[:, :5]), "labels of size (8, 5) for train A 3; expected the image's height"),
    (changed(target=IMAGE[:4]), "a target of size (4, 6) for train A 3; expected the image's height"),
    (changed(target=GREY), "target: an array of shape (8, 6, 1), uint8 with values 0 … 141 for train A 3"),
    (changed(values={"digit": "three"}), "values: a dict with 'digit' for train A 3; expected name → number"),
]


@pytest.mark.parametrize(("sample", "expected"), WRONG_SAMPLES)
def test_samples(sample: Any, expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_sample(sample, ORIGIN, Good(), "A", "train A 3")
    (line,) = str(caught.value).splitlines()
    assert expected in line
    assert __file__ in line


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (GREY, "image: classes up to 141; expected classes 0 … 3, as classes says 4 for A"),
        (IMAGE, "expected a uint8 array (H, W, 1) of classes, as classes of label maps are"),
        (np.zeros((8, 6, 1), np.float32), "image: an array of shape (8, 6, 1), float32 with values 0 … 0"),
        (np.full((8, 6, 1), -1), "image: an array of shape (8, 6, 1), int64 with values -1 … -1"),
    ],
)
def test_label_maps(image: Any, expected: str) -> None:
    with pytest.raises(ComponentError) as caught:
        check_sample(changed(image=image), ORIGIN, LabelMaps(), "A")
    assert expected in str(caught.value)
    check_sample(changed(image=GREY % 4), ORIGIN, LabelMaps(), "A")


def test_right_samples_pass() -> None:
    dark: Any = np.zeros((8, 6, 3), np.float32)
    deep: Any = np.float32(IMAGE)
    values: Any = {"digit": 3, "size": np.float32(2)}
    frozen = IMAGE.copy()
    frozen.flags.writeable = False
    whole = Sample(frozen, "0", mask=PLANE, labels=PLANE, target=dark, values=values)
    for sample in (SAMPLE, whole, Sample(dark, "dark"), Sample(deep, "deep")):
        assert check_sample(sample, ORIGIN, Good(), "A") is sample
    check_names(["a", "b"], ORIGIN, "train", "A")


def test_names_are_unique() -> None:
    with pytest.raises(ComponentError, match="the name 'a' for train A 0 and 2; expected another name for each image"):
        check_names(["a", "b", "a"], ORIGIN, "train", "A")


@pytest.mark.parametrize(
    ("kept", "again", "expected"),
    [
        (
            changed(image=IMAGE + 1),
            SAMPLE,
            "for train A 0 an array (image) that a later call of sample changed",
        ),
        (
            SAMPLE,
            changed(image=IMAGE + 1),
            "another image for train A 0 when it was called again; expected the",
        ),
        (SAMPLE, changed(mask=PLANE), "another mask for train A 0 when it was called again"),
        (SAMPLE, changed(name="other"), "another name or other values for train A 0 when it was called again"),
    ],
)
def test_an_image_that_changes(kept: Sample, again: Sample, expected: str) -> None:
    check_repeats(SAMPLE, SAMPLE, SAMPLE, ORIGIN, "train A 0")
    with pytest.raises(ComponentError) as caught:
        check_repeats(SAMPLE, kept, again, ORIGIN, "train A 0")
    assert expected in str(caught.value)


def test_one_dark_image_is_valid_but_images_that_all_are_dark_are_on_another_scale() -> None:
    def image(high: float) -> Sample:
        values = np.linspace(0, high, 48, dtype=np.float32).reshape(4, 4, 3)
        return replace(SAMPLE, image=values, target=None, mask=None, labels=None)

    check_sample(image(0.5), ORIGIN, Good(), "A")
    check_scale([image(0.5), image(90)], ORIGIN, Good(), "train A", "A")
    check_scale([image(0), image(0)], ORIGIN, Good(), "train A", "A")
    with pytest.raises(ComponentError, match="values from 0 to 1 for train A; expected values 0 … 255: multiply them"):
        check_scale([image(0.5), image(1)], ORIGIN, Good(), "train A", "A")
