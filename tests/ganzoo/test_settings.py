"""The settings of a recipe: sizes, options that contradict each other, and numbers without an end."""

from __future__ import annotations

from math import inf, nan
from typing import Any

import pytest

from ganzoo.errors import GanzooError
from ganzoo.recipe.options import check_options, options_of
from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings


@pytest.mark.parametrize(
    ("options", "shape", "load_shape"),
    [
        ({"size": 64}, (64, 64), (64, 64)),
        ({"size": [24, 40]}, (24, 40), (24, 40)),
        ({"size": [24, 40], "load": 30}, (24, 40), (30, 50)),
        ({"size": [40, 24], "load": 30}, (40, 24), (50, 30)),
        ({"size": [24, 40], "load": [24, 60]}, (24, 40), (24, 60)),
        ({"size": 256, "load": 286}, (256, 256), (286, 286)),
        ({"size": [24, 40], "fit": "crop"}, (24, 40), None),
        ({"fit": "none"}, (256, 256), None),
    ],
)
def test_shapes(options: dict[str, Any], shape: tuple[int, int], load_shape: tuple[int, int] | None) -> None:
    checked, problems = check_options(ImageSettings, options)
    assert not problems
    images = ImageSettings(**checked)
    assert (images.shape, images.load_shape) == (shape, load_shape)


def test_equal_settings_are_written_in_one_way() -> None:
    assert ImageSettings(size=(64, 64), load=(80, 80)) == ImageSettings(size=64, load=80)
    assert ImageSettings(resample="bicubic") == ImageSettings() != ImageSettings(resample="bilinear")
    assert ImageSettings(load=286, jitter=1) == ImageSettings(load=286) != ImageSettings(load=286, jitter=0.5)
    assert ImageSettings(jitter=0.5) == ImageSettings()  # there is no jitter to end


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 64, "load": 32}, "load is 32, smaller than size (64); set load to 64 or more, or to 0 for no crop"),
        ({"size": (24, 40), "load": (30, 30)}, "load is [30, 30], smaller than size ([24, 40])"),
        ({"fit": "crop", "load": 300}, "load is 300, but fit: crop does not scale images; set load to 0"),
        ({"fit": "none", "zoom": (0.5, 1.0)}, "zoom and scales need a crop, and fit: none takes whole images"),
        ({"fit": "none", "scales": (0.5,)}, "zoom and scales need a crop, and fit: none takes whole images"),
        ({"zoom": (1.5, 1.0)}, "zoom is [1.5, 1.0]; the first number must not be the larger"),
        (
            {"size": 64, "zoom": (0.5, 2.0)},
            "zoom and scales shrink images to 0.5 of load (64), smaller than size (64); set load to 128 or more",
        ),
        ({"size": (24, 40), "load": 30, "scales": (0.5, 1.0)}, "set load to [48, 80] or more"),
    ],
)
def test_options_that_contradict_each_other(options: dict[str, Any], message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        ImageSettings(**options)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("size", [[24], [24, 40, 3], [0, 24], "large", -3])
def test_what_is_no_size(size: object) -> None:
    _, problems = check_options(ImageSettings, {"size": size})
    assert problems and problems[0].message.startswith("size is")


NUMBERS = [
    (kind, name)
    for kind in (ImageSettings, TrainSettings, EvaluateSettings)
    for name, option in options_of(kind).items()
    if "int" in option.type_text or "float" in option.type_text
]


@pytest.mark.parametrize("number", [inf, nan, -inf])
@pytest.mark.parametrize(("kind", "name"), NUMBERS)
def test_settings_are_finite(kind: type, name: str, number: float) -> None:
    for value in (number, [number], [1, number], [number, number]):
        assert check_options(kind, {name: value})[1], value


@pytest.mark.parametrize("factor", [1e-320, 1e-9, 1e9, 1e308, True])
def test_factors_of_the_scale_have_limits(factor: float) -> None:
    for options in ({"zoom": [factor, factor]}, {"scales": [1, factor]}):
        problems = check_options(ImageSettings, options)[1]
        assert problems and all(problem.path[0] in options for problem in problems)


def test_a_size_of_true_is_refused() -> None:
    for name in ("size", "load"):
        assert check_options(ImageSettings, {name: [True, 32]})[1][0].path[0] == name


def test_the_range_of_scales_before_the_crop() -> None:
    assert ImageSettings(size=64).zoom_range == (1, 1)
    assert ImageSettings(size=64, load=128, zoom=(0.8, 1.5), scales=(1.0, 0.625)).zoom_range == (0.5, 1.5)
