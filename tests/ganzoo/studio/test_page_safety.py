"""What is refused on the real page, who may see it, and how it ends."""

from __future__ import annotations

import json
import re
import shutil
import signal
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.browser import Server, Tab, choose_run, new_tab, serving
from tests.support.tiny_run import ganzoo

pytestmark = pytest.mark.studio


@pytest.fixture
def home(page_home: Path) -> Path:
    return page_home


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
