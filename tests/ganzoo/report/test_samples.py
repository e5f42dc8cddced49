"""Sample grids in the report: which are shown, in what size, and with which names of columns."""

from __future__ import annotations

import base64
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.data.image_io import write_image
from ganzoo.report import write_report
from ganzoo.report.samples import LARGE, MAX_GRIDS, SMALL, load_grid, select_grids
from tests.support.run_logs import Page, write_run


def noise(width: int, height: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


def decode(uri: str) -> Image.Image:
    kind, _, data = uri.partition(";base64,")
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert kind == f"data:image/{str(image.format).lower()}"
    return image


@pytest.mark.parametrize("count", [0, 1, 2, 23, 24, 25, 47, 48, 49, 50, 400, 1001])
def test_few_grids_are_selected_evenly_and_the_last_one(count: int) -> None:
    selected = select_grids(list(range(count)))
    assert len(selected) <= MAX_GRIDS and (count <= MAX_GRIDS) == (len(selected) == count)
    assert selected[-1:] == list(range(count))[-1:]
    gaps = {b - a for a, b in pairwise(selected[:-1])}
    assert len(gaps) <= 1


def test_a_grid_that_was_left_out_is_not_selected_later() -> None:
    for count in range(2, 300):
        before, after = select_grids(list(range(count - 1))), select_grids(list(range(count)))
        assert set(after) - set(before) == {count - 1}


def test_a_small_grid_is_embedded_unchanged(tmp_path: Path) -> None:
    write_image(noise(200, 100), tmp_path / "a.png")
    grid = load_grid(tmp_path / "a.png", SMALL)
    assert grid and grid.width == 200 and grid.size == (200, 100)
    assert base64.b64decode(grid.uri.partition(",")[2]) == (tmp_path / "a.png").read_bytes()


def test_a_wide_grid_is_scaled_down(tmp_path: Path) -> None:
    write_image(np.full((100, 3000, 3), 90, np.uint8), tmp_path / "a.png")
    grid = load_grid(tmp_path / "a.png", SMALL)
    assert grid and (grid.width, grid.size) == (1280, (3000, 100))
    assert decode(grid.uri).size == (1280, 43)


def test_a_grid_that_compresses_badly_is_scaled_down_until_it_fits(tmp_path: Path) -> None:
    write_image(noise(1200, 1200), tmp_path / "a.png")
    for limits in (SMALL, LARGE):
        grid = load_grid(tmp_path / "a.png", limits)
        assert grid and len(base64.b64decode(grid.uri.partition(",")[2])) <= limits[1]
        assert decode(grid.uri).size[0] == grid.width <= limits[0]


def test_a_grid_is_loaded_once_and_again_when_its_file_changes(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    write_image(noise(20, 20), file)
    first = load_grid(file, SMALL)
    assert load_grid(file, SMALL) is first
    write_image(noise(30, 20), file)
    again = load_grid(file, SMALL)
    assert again and again.size == (30, 20)


def test_a_long_run_with_large_grids_has_a_report_of_less_than_10_mb(tmp_path: Path) -> None:
    """The grids are noise, which does not compress; ``test_page`` holds the log to 2.5 MB."""
    assert (LARGE[1] + (MAX_GRIDS - 1) * SMALL[1]) * 4 / 3 + 2.5e6 < 10e6
    folder = write_run(tmp_path / "run")
    for step in range(MAX_GRIDS + 1):
        write_image(noise(480, 400, step), folder / f"samples/step-{step:07}.png")
    report = write_report(folder)
    page = Page(report.read_text())
    images = [image.attributes["src"] for image in page.all("img")]
    assert len(images) == 13 and max(map(len, images[1:])) <= SMALL[1] * 4 / 3 + 100 < len(images[0])
    assert report.stat().st_size < sum(map(len, images)) + 50_000
    assert "13 of 25 grids are shown, evenly spaced, and the last." in page.section("samples")


def test_the_last_grid_comes_first_with_the_names_of_its_columns(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    places = {"columns": {"real_A": [0, 10, 10], "discriminator_mask_real_A": [12, 10, 10]}, "tops": [0]}
    for step in (5, 10, 15):
        write_image(noise(40, 10), folder / f"samples/step-{step:07}.png", {"places": json.dumps(places)})
    page = Page(write_report(folder).read_text())
    assert [one.attributes["id"] for one in page.all("figure", class_="grid")] == ["step-15", "step-5", "step-10"]
    assert page.all("img")[0].attributes["alt"] == "sample grid of step 15: real_A, discriminator_mask_real_A"
    first, second = [one for one in page.all("span") if "style" in one.attributes][:2]
    assert (first.text, first.attributes["style"]) == ("real_A", "left:0.0000%;width:25.0000%")
    assert (second.text, second.attributes["style"]) == ("discriminator_mask_real_A", "left:30.0000%;width:25.0000%")
    assert "discriminator_mask_real_A the mask in the role discriminator, of real_A" in page.section("samples")
    assert "scaled down" not in page.section("samples") and "are shown" not in page.section("samples")


def test_names_stay_over_their_columns_when_a_grid_is_scaled_down(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    note = {"places": json.dumps({"columns": {"real_A": [2000, 1000, 10]}, "tops": [0]})}
    write_image(np.full((10, 4000, 3), 90, np.uint8), folder / "samples/step-0000001.png", note)
    page = Page(write_report(folder).read_text())
    assert decode(page.all("img")[0].attributes["src"]).size == (2400, 6)
    assert [one.attributes["style"] for one in page.all("span") if "style" in one.attributes] == [
        "left:50.0000%;width:25.0000%"
    ]
    assert "Grids are scaled down" in page.section("samples")


def test_a_grid_that_cannot_be_read_is_reported(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "run")
    (folder / "samples/step-0000005.png").write_bytes(b"\x89PNG\r\n\x1a\n????")
    write_image(noise(40, 10), folder / "samples/step-0000007.png")
    page = Page(write_report(folder).read_text())
    assert "step 5: the file cannot be read" in page.section("samples")
    assert len(page.all("img")) == 1
