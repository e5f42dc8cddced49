"""The real page in headless Chromium; ``make test-studio`` installs what it needs and runs these tests."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.support.browser import Server, Tab, browser, new_tab, serving
from tests.support.studio_runs import train_runs
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


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="module")
def home(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("studio_page")
    train_runs(home)
    return home


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[Server]:
    with serving(home, "runs", "--max-upload", "20") as server:
        yield server


@pytest.fixture
def tab(chromium: Any, server: Server) -> Iterator[Tab]:
    tab = new_tab(chromium, server)
    tab.open()
    yield tab
    assert (tab.foreign, tab.problems) == ([], [])
    tab.page.context.close()


def choose_run(tab: Tab, name: str) -> None:
    """Choose a run in the list, and wait until it is loaded."""
    tab.choose("#run", f"runs/{name}/default:")
    point = "best" if name == "plain" else "last"
    tab.page.wait_for_function(
        "([p]) => document.querySelector('#checkpoint input').value === p && "
        "document.querySelector('#status textarea').value.startsWith('ready: ' + p)",
        arg=[point],
    )


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


def bomb(file: Path) -> Path:
    """Write a PNG file of 30,000 × 30,000 pixels in few bytes: its header says so, and its data are missing."""
    Image.new("1", (30_000, 30_000)).save(file)
    return file


def test_what_cannot_be_read_is_one_line_and_the_page_goes_on(tab: Tab, home: Path, tmp_path: Path) -> None:
    choose_run(tab, "plain")
    text = tmp_path / "notes.png"
    text.write_text("not an image")
    good = home / "images/testA/00.png"
    for bad in (text, bomb(tmp_path / "bomb.png")):
        tab.upload("#images", bad, good)
        first, line = tab.translate().splitlines()
        assert first == "1 of 2 translated" and line.startswith(f"{bad.name}: ")
        told = ganzoo("translate", home / "runs/plain/default", bad, "-o", tmp_path / "out").stderr.splitlines()[0]
        assert line == told.removeprefix("ganzoo: ").replace(f"{bad.parent}/", "")
        tab.page.reload()
        tab.wait("#status", "ready: ")
        choose_run(tab, "plain")
    tab.upload("#images", good)
    assert tab.translate() == "1 of 1 translated"


def test_an_upload_that_is_too_large_is_refused(chromium: Any, server: Server, home: Path, tmp_path: Path) -> None:
    tab = new_tab(chromium, server)
    tab.open()
    large = tmp_path / "large.png"
    with large.open("wb") as stream:
        stream.truncate(40 * 2**20)
    tab.page.locator("#images input[type=file]").first.set_input_files(str(large))
    tab.page.get_by_text(re.compile("maximum|at most|too large", re.IGNORECASE)).first.wait_for()
    tab.page.reload()
    tab.wait("#status", "ready: ")
    tab.upload("#images", home / "images/testA/00.png")
    choose_run(tab, "plain")
    assert tab.translate() == "1 of 1 translated"
    assert tab.foreign == []


def ask(url: str, *, headers: dict[str, str] | None = None, data: bytes | None = None) -> tuple[int, str]:
    """Return status and text of the answer to a request."""
    request = urllib.request.Request(url, data=data, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace")


def test_no_file_outside_and_no_foreign_page(server: Server, home: Path) -> None:
    secret = home / "secret.png"
    secret.write_text("secret words")
    for path in (str(secret), f"{home}/runs/plain/default/resolved.yaml", "/etc/passwd", "../../secret.png"):
        for form in (f"/gradio_api/file={path}", f"/file={path}", f"/static/../../{path}", f"/report?run={path}"):
            status, text = ask(f"{server.url}{form}")
            assert status in (403, 404, 405) and "secret words" not in text and "root:" not in text, form
    origin = {"Origin": "http://evil.example", "Content-Type": "application/json"}
    assert ask(f"{server.url}/gradio_api/queue/join", headers=origin, data=b"{}") == (
        403,
        "requests from other pages are refused\n",
    )
    assert ask(server.url, headers={"Host": "evil.example"})[0] == 403


def test_a_handler_reads_uploads_alone(server: Server, home: Path) -> None:
    """A page of one's own could send other paths, or an address for the server to fetch, in place of an upload."""
    _, text = ask(f"{server.url}/config")
    config = json.loads(text)
    files = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "images")
    start = next(one["id"] for one in config["components"] if one["props"].get("elem_id") == "start")
    wanted = next(one for one in config["dependencies"] if [start, "click"] in [list(t) for t in one["targets"]])
    values = {one["id"]: one["props"].get("value") for one in config["components"]}
    for path in (str(home / "images/testA/00.png"), "/etc/passwd", "http://127.0.0.1:1/x.png"):
        data = [values[one] for one in wanted["inputs"]]
        data[0] = "runs/plain/default"
        data[wanted["inputs"].index(files)] = [{"path": path, "meta": {"_type": "gradio.FileData"}}]
        body = json.dumps({"data": data, "fn_index": wanted["id"], "session_hash": "strange"}).encode()
        status, _ = ask(f"{server.url}/gradio_api/queue/join", headers={"Content-Type": "application/json"}, data=body)
        assert status in (200, 403, 422)
        if status == 200:
            with urllib.request.urlopen(
                f"{server.url}/gradio_api/queue/data?session_hash=strange", timeout=60
            ) as events:
                told = events.read().decode()
            assert "translated" not in told and "root:" not in told
            assert "process_completed" in told or "error" in told.lower()


def test_a_run_that_is_deleted_meanwhile_is_one_line(tab: Tab, home: Path) -> None:
    shutil.copytree(home / "runs/plain", home / "runs/gone")
    tab.page.locator("#reload").click()
    tab.choose("#run", "runs/gone/default:")
    tab.wait("#status", "ready: best")
    tab.upload("#images", home / "images/testA/00.png")
    shutil.rmtree(home / "runs/gone")
    expected = "runs/gone/default: no such run here, or it was deleted meanwhile; reload the list"
    assert tab.translate() == expected
    tab.page.locator("#reload").click()
    tab.wait("#status", "ready: ")
    assert tab.translate() == "1 of 1 translated"


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


def test_another_host_needs_the_token(chromium: Any, home: Path) -> None:
    with serving(home, "runs", "--host", "0.0.0.0", "--token", "secret") as server:
        port = server.url.rpartition(":")[2].partition("/")[0]
        place = f"http://127.0.0.1:{port}"
        assert server.url.endswith("/?token=secret")
        assert ask(place) == (401, "open the address with ?token=… that ganzoo studio printed\n")
        page = chromium.new_context().new_page()
        page.goto(f"{place}/?token=secret")
        page.locator("#status textarea").wait_for()
        page.goto(place)  # the cookie is enough now
        page.locator("#status textarea").wait_for()
        page.context.close()


def test_it_ends_by_a_signal_while_a_page_is_open_and_leaves_no_files(chromium: Any, home: Path) -> None:
    with serving(home, "runs", ends_by=signal.SIGTERM) as server:
        tab = new_tab(chromium, server)
        tab.open()
        tab.upload("#images", home / "images/testA/00.png")
    tab.page.context.close()
