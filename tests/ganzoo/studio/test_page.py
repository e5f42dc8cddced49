"""The real page in headless Chromium; ``make test-studio`` installs what it needs and runs these tests."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.browser import Server, Tab, choose_run, new_tab
from tests.support.tiny_run import ganzoo, write_recipe

pytestmark = pytest.mark.studio
REACHED = {
    *("run", "reload", "images", "direction", "checkpoint", "seed", "start", "cancel", "style-kind", "samples", "more"),
    *(
        "compare-image",
        "compare-runs",
        "compare",
        "live",
        "r-method",
        "r-data",
        "r-make",
        "r-text",
        "r-check",
        "r-name",
    ),
    *("r-write", "divider"),
}
"""Controls that the keyboard must reach, over all tabs."""
FOCUSED = """() => {
    const found = []
    for (let e = document.activeElement; e; e = e.parentElement) if (e.id) found.push(e.id)
    return found
}"""
"""The names of the element that has the focus, and of those around it."""


@pytest.fixture
def home(page_home: Path) -> Path:
    return page_home


def by_command(tab: Tab, home: Path, folder: Path, image: Path, *more: Path) -> dict[str, bytes]:
    """Run the command that the page shows, beside copies of the files that it names; return what it writes."""
    for file in (image, *more):
        if file.parent != folder:
            shutil.copy(file, folder / file.name)
    words = shlex.split(tab.text("#command"))
    assert words[:2] == ["ganzoo", "translate"]
    words[2] = str(home / words[2])
    done = ganzoo(*words[1:], "--device", "cpu", cwd=folder)
    assert done.returncode == 0, done.stderr
    out = folder / "translated"
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*.png"))}


def packed(tab: Tab) -> dict[str, bytes]:
    """Return the files of the archive that the page offers."""
    with tab.page.expect_download() as waiting:
        tab.page.locator("#zip").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_an_upload_is_translated_into_the_files_of_the_command_line(tab: Tab, home: Path, tmp_path: Path) -> None:
    choose_run(tab, "plain")
    images = sorted((home / "images/testA").iterdir())[:2]
    tab.upload("#images", *images)
    assert tab.translate() == "2 of 2 translated"
    written = tab.downloads(tmp_path)
    assert written == packed(tab) == by_command(tab, home, tmp_path, images[0], images[1])
    assert sorted(written) == ["00.png", "01.png"]
    for place in ("#slider img", "#gallery img"):
        tab.page.locator(place).nth(1).wait_for()
    tab.page.reload()
    tab.wait("#status", "ready: ")
    assert tab.page.locator("#downloads").count() == 0


def test_a_rectangle_and_a_painted_mask_give_the_pixels_of_mask_files(tab: Tab, home: Path, tmp_path: Path) -> None:
    choose_run(tab, "masked")
    image = home / "images/testA/00.png"
    tab.upload("#images", image)
    tab.page.get_by_label("rectangles").check()
    tab.page.locator("#corners img").wait_for()
    for x, y in ((0.2, 0.2), (9.5, 7.5)):  # the image of 20×16 pixels, as large as it fits into its element
        box = tab.page.locator("#corners img").bounding_box()
        shown = min(box["width"], 500), min(box["height"], 400)  # 25 times as large, or as much as there is room
        scale = min(shown[0] / 20, shown[1] / 16)
        left, top = (box["width"] - 20 * scale) / 2, (box["height"] - 16 * scale) / 2
        tab.page.locator("#corners img").click(position={"x": left + x * scale, "y": top + y * scale})
        time.sleep(1)
    assert tab.text("#boxes") == "0 0 10 8"
    tab.page.get_by_label("brush").check()
    tab.page.locator("#editor canvas").first.wait_for()
    time.sleep(2)
    box = tab.page.locator("#editor canvas").first.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.page.mouse.move(*middle)
    tab.page.mouse.down()
    tab.page.mouse.move(middle[0] + 20, middle[1] + 5, steps=4)
    tab.page.mouse.up()
    time.sleep(1)
    assert tab.translate() == "2 of 2 translated"
    assert tab.page.locator("#seen img").count() >= 2
    masks = {name: data for name, data in tab.downloads(tmp_path).items() if name in ("brush.png", "rectangles.png")}
    with Image.open(io.BytesIO(masks["rectangles.png"])) as mask:
        pixels = np.array(mask)
    assert (pixels[:8, :10] == 255).all() and pixels.sum() == 255 * 80
    assert packed(tab) == by_command(tab, home, tmp_path, image)


def test_styles_are_those_of_the_same_seed_and_numbers(tab: Tab, home: Path, tmp_path: Path) -> None:
    choose_run(tab, "styled")
    image = home / "images/testA/00.png"
    tab.upload("#images", image)
    tab.fill("#samples", "3")
    tab.fill("#seed", "7")
    assert tab.translate() == "3 of 3 translated"
    assert "--samples 3 --seed 7" in tab.text("#command")
    assert packed(tab) == by_command(tab, home, tmp_path, image)
    tab.page.get_by_label("sliders and numbers").check()
    tab.page.locator("#find-axes").click()
    tab.page.get_by_text("3 directions, strongest first").wait_for()
    middle = tab.text("#style-numbers")
    slider = tab.page.locator("#axis-1 input[type=number]")
    slider.fill("2")
    slider.press("Enter")
    tab.page.wait_for_function(
        "before => document.querySelector('#style-numbers textarea').value !== before", arg=middle
    )
    (tmp_path / "numbers").mkdir()
    assert tab.translate() == "1 of 1 translated"
    moved = packed(tab)
    assert moved == by_command(tab, home, tmp_path / "numbers", image)
    tab.page.get_by_label("a line between two").check()
    tab.upload("#style-image", home / "images/testB/00.png")
    tab.fill("#style-steps", "3")
    (tmp_path / "line").mkdir()
    shutil.copy(home / "images/testB/00.png", tmp_path / "line/00.png")
    assert tab.translate() == "3 of 3 translated"
    assert len(packed(tab)) == 3


def large_images(folder: Path, count: int) -> list[Path]:
    files = [folder / f"large-{i}.png" for i in range(count)]
    for file in files:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (700, 700, 3), np.uint8)).save(file)
    return files


def test_cancel_ends_after_the_image_at_hand(tab: Tab, tmp_path: Path) -> None:
    choose_run(tab, "plain")
    tab.upload("#images", *large_images(tmp_path, 10))
    tab.page.get_by_text("Size and format").click()
    tab.fill("#size", "original")
    tab.page.locator("#start").click()
    tab.wait_for("#status", r"^translating: [1-9]")
    tab.page.locator("#cancel").click()
    status = tab.wait("#status", "cancelled: ")
    found = re.fullmatch(r"cancelled: (\d+) of 10 translated", status)
    assert found and 1 <= int(found[1]) < 10
    assert len(packed(tab)) == int(found[1])


def test_two_browsers_at_once_wait_for_each_other(chromium: Any, tab: Tab, server: Server, home: Path) -> None:
    other = new_tab(chromium, server)
    other.open()
    choose_run(tab, "plain")
    choose_run(other, "masked")
    for one, name in ((tab, "00.png"), (other, "01.png")):
        one.upload("#images", home / "images/testA" / name)
        one.page.locator("#start").click()
    for one, name in ((tab, "00.png"), (other, "01.png")):
        assert one.wait_for("#status", "^1 of 1") == "1 of 1 translated"
        assert list(packed(one)) == [name]
    assert (other.foreign, other.problems) == ([], [])


def test_runs_are_compared(tab: Tab, home: Path) -> None:
    tab.page.get_by_role("tab", name="Compare").click()
    tab.upload("#compare-image", home / "images/testA/00.png")
    for name in ("runs/plain/default · best", "runs/plain/default · last", "runs/masked/default · last"):
        tab.page.locator("#compare-runs input").click()
        tab.page.locator("#compare-runs [role=option]").filter(has_text=name).first.click()
    tab.page.keyboard.press("Escape")
    assert tab.press("#compare", "#compare-status") == "3 of 3 translated"
    tab.page.locator("#compare-gallery img").nth(2).wait_for()
    records = [json.loads(line) for line in (home / "runs/plain/default/results.jsonl").read_text().splitlines()]
    value = next(one["values"]["cycle_l1_AB"] for one in records if one["checkpoint"] == "best")
    assert tab.page.locator("#compare-table").get_by_text(f"{value:.4g}").count() >= 1


def test_a_run_in_training_is_watched_stopped_and_its_resume_command_is_right(
    tab: Tab, home: Path, tmp_path: Path
) -> None:
    recipe = write_recipe(home, "live", train={"log": 5, "sample": 50}, evaluate={"every": 0, "best": None})
    words = [sys.executable, "-m", "ganzoo", "run", str(recipe), "train.steps=100000", "--root", str(home / "runs")]
    training = subprocess.Popen(
        words,
        cwd=home,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        log = home / "runs/live/default/metrics.jsonl"
        deadline = time.monotonic() + 120
        while not log.exists() and time.monotonic() < deadline:
            time.sleep(0.5)
        tab.page.locator("#reload").click()
        tab.choose("#run", "runs/live/default:")
        tab.page.get_by_role("tab", name="Watch").click()
        frame = tab.page.frame_locator("#report iframe")
        frame.get_by_text("live / default").first.wait_for()
        first = tab.page.locator("#report iframe").get_attribute("src")
        command = tab.wait("#watch-command", "kill -TERM ")
        tab.page.wait_for_function(
            "before => ![before, null].includes(document.querySelector('#report iframe')?.getAttribute('src') ?? null)",
            arg=first,
        )
        assert command == f"kill -TERM {training.pid}"
        subprocess.run(shlex.split(command), check=True)
        training.wait(60)
        expected = "ganzoo run live.yaml --name default --root runs"
        assert tab.wait("#watch-command", "ganzoo run") == expected
    finally:
        training.kill()
        training.wait()
    resumed = ganzoo(*shlex.split(expected)[1:], "train.steps=100000", "--device", "cuda:99", cwd=home)
    assert "cuda:99" in resumed.stderr  # the recipe and the run are found; the training is not begun
    shutil.rmtree(home / "runs/live")


def test_a_recipe_is_made_checked_and_written(tab: Tab, home: Path) -> None:
    tab.page.get_by_role("tab", name="Recipe").click()
    tab.page.locator("#r-make").wait_for()
    tab.fill("#r-data--folders-root", str(home / "images"))
    tab.fill("#r-images--images-size", "24")
    tab.page.locator("#r-make").click()
    tab.page.locator("#r-text").get_by_text("dataset: folders").first.wait_for()
    assert tab.press("#r-check", "#r-answer") == "mine.yaml:1: train: missing training length: set 'epochs' or 'steps'"
    tab.fill("#r-train--train-steps", "3")
    tab.page.locator("#r-make").click()
    tab.page.locator("#r-text").get_by_text("steps:").first.wait_for()
    assert tab.press("#r-check", "#r-answer").startswith("the recipe is right")
    tab.page.locator("#r-write").click()
    assert tab.wait("#r-command", "ganzoo run") == "ganzoo run recipes/mine.yaml"
    assert ganzoo("check", home / "recipes/mine.yaml", "--quick").returncode == 0
    tab.page.locator("#r-write").click()
    assert tab.wait("#r-answer", "recipes/mine.yaml: ") == "recipes/mine.yaml: it exists already; choose another name"


@pytest.mark.parametrize("width", [1400, 400])
def test_the_keyboard_reaches_everything_and_nothing_is_wider_than_the_screen(
    chromium: Any, server: Server, home: Path, width: int
) -> None:
    tab = new_tab(chromium, server, width)
    tab.open()
    choose_run(tab, "styled")
    reached: set[str] = set()
    for name in ("Translate", "Compare", "Watch", "Recipe"):
        if width < 1000 and not tab.page.get_by_role("tab", name=name).is_visible():
            tab.page.locator(".overflow-menu button").first.click()
            tab.page.locator(".overflow-dropdown button").filter(has_text=name).click()
        else:
            tab.page.get_by_role("tab", name=name).first.click()
        time.sleep(1)
        if name == "Recipe":
            tab.page.locator("#r-make").wait_for()
        assert tab.page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        tab.page.evaluate("() => { document.activeElement.blur(); window.scrollTo(0, 0) }")
        for _ in range(260):
            tab.page.keyboard.press("Tab")
            ids = tab.page.evaluate(FOCUSED)
            reached |= set(ids)
            if "r-text" in ids:  # the editor takes Tab; Escape leaves it
                tab.page.keyboard.press("Escape")
    assert reached >= REACHED, REACHED - reached
    assert (tab.foreign, tab.problems) == ([], [])
    tab.page.context.close()


def test_the_keyboard_alone_translates(tab: Tab, home: Path) -> None:
    tab.upload("#images", home / "images/testA/00.png")
    choose_run(tab, "plain")
    tab.page.locator("#seed input, #seed textarea").first.focus()
    for _ in range(12):
        tab.page.keyboard.press("Tab")
        if tab.page.evaluate("document.activeElement.closest('#start') !== null"):
            break
    tab.page.keyboard.press("Enter")
    assert tab.wait_for("#status", "^1 of 1") == "1 of 1 translated"
