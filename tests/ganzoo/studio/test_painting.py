"""Masks from the brush and from rectangles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.studio.painting import (
    box_between,
    clicked_pixel,
    overlay,
    painted_mask,
    read_boxes,
    shown_size,
    write_mask_image,
)
from tests.support.command_line import refusal

SIZE = (20, 16)


def layer(size: tuple[int, int], left: int, right: int, alpha: int = 255) -> Image.Image:
    pixels = np.zeros((size[1], size[0], 4), np.uint8)
    pixels[:, left:right] = (255, 0, 90, alpha)
    return Image.fromarray(pixels)


def test_rectangles_are_read_line_by_line() -> None:
    assert read_boxes(" 0 0 10 16 \n\n3, 4, 5, 6;\n".replace(";", ""), SIZE) == [(0, 0, 10, 16), (3, 4, 5, 6)]
    assert read_boxes("", SIZE) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1 2 3", "rectangle 1: '1 2 3' is not left, top, width and height in pixels: 10 20 64 48"),
        ("0 0 1 1\nx 2 3 4", "rectangle 2: 'x 2 3 4' is not left, top, width and height in pixels: 10 20 64 48"),
        ("-1 0 3 4", "rectangle 1: '-1 0 3 4' is not left, top, width and height in pixels: 10 20 64 48"),
        ("0 0 21 4", "rectangle 1: '0 0 21 4' is not within the image of 20×16 pixels"),
        ("0 10 2 7", "rectangle 1: '0 10 2 7' is not within the image of 20×16 pixels"),
        ("0 0 0 4", "rectangle 1: '0 0 0 4' is not within the image of 20×16 pixels"),
        ("1 1 ² 1", "rectangle 1: '1 1 ² 1' is not left, top, width and height in pixels: 10 20 64 48"),
    ],
)
def test_a_wrong_rectangle_is_named_with_its_line(text: str, problem: str) -> None:
    assert refusal(read_boxes, text, SIZE) == problem


def test_two_clicks_are_opposite_corners_in_any_order() -> None:
    expected = (2, 3, 8, 3)
    assert {box_between(a, b) for a, b in (((2, 3), (9, 5)), ((9, 5), (2, 3)), ((2, 5), (9, 3)))} == {expected}
    assert box_between((4, 4), (4, 4)) == (4, 4, 1, 1)


@pytest.mark.parametrize("size", [(1, 1), (20, 16), (512, 3), (513, 3), (1536, 1000), (7000, 30)])
def test_a_click_on_what_is_shown_is_a_pixel_of_the_image(size: tuple[int, int]) -> None:
    shown = shown_size(size)
    assert max(shown) <= 1536 and (max(size) > 512 or max(shown) >= 257)
    assert clicked_pixel((0, 0), size) == (0, 0)
    assert clicked_pixel((shown[0] - 1, shown[1] - 1), size)[0] >= size[0] - max(1, size[0] // shown[0] + 1)
    assert clicked_pixel(shown, size) == (size[0] - 1, size[1] - 1)
    assert clicked_pixel((shown[0] / 2, 0), size)[0] == size[0] // 2 or size[0] == 1


def test_a_mask_is_255_where_something_is_painted_and_0_elsewhere() -> None:
    mask = np.array(painted_mask(SIZE, [layer(SIZE, 0, 5), layer(SIZE, 3, 8, alpha=100)], [(12, 2, 4, 3)]))
    expected = np.zeros((16, 20), np.uint8)
    expected[:, :5] = 255
    expected[2:5, 12:16] = 255
    np.testing.assert_array_equal(mask, expected)


def test_what_is_painted_on_a_smaller_copy_is_scaled_without_grey() -> None:
    mask = np.array(painted_mask(SIZE, [layer((10, 8), 0, 5)], []))
    assert set(np.unique(mask)) == {0, 255}
    np.testing.assert_array_equal(mask[:, :10], 255)
    np.testing.assert_array_equal(mask[:, 10:], 0)


def test_an_empty_mask_is_refused() -> None:
    expected = "the mask is empty: paint with the brush, or add a rectangle"
    assert refusal(painted_mask, SIZE, [layer(SIZE, 3, 3)], []) == expected


def test_a_mask_is_written_as_a_file_that_translate_reads(tmp_path: Path) -> None:
    path = write_mask_image(painted_mask(SIZE, [], [(0, 0, 10, 16)]), tmp_path / "new", "a")
    with Image.open(path) as image:
        assert (path.name, image.mode, image.size) == ("a.png", "L", SIZE)


def test_the_area_outside_of_a_mask_is_darkened() -> None:
    image = Image.new("RGB", SIZE, (200, 100, 50))
    shown = np.array(overlay(image, painted_mask(SIZE, [], [(0, 0, 10, 16)])))
    np.testing.assert_array_equal(shown[:, :10], np.array(image)[:, :10])
    assert (shown[:, 10:] < 90).all()
