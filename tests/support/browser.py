"""Start a studio in a process of its own, and drive its page in headless Chromium, for the tests marked ``studio``."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WAIT = 60_000
"""Milliseconds that a test waits for the page; a busy machine is slow."""


@dataclass
class Server:
    """A running studio: its address, its process, and the file with what it printed."""

    url: str
    process: subprocess.Popen[str]
    log: Path


@contextmanager
def serving(home: Path, *words: str, ends_by: int = signal.SIGINT) -> Iterator[Server]:
    """Start ``ganzoo studio`` with these words in a folder, yield it, and stop it as Ctrl+C does.

    Afterwards it has to have ended well, and left no files.
    """
    temporary = Path(tempfile.mkdtemp(prefix="temporary-", dir=home))
    log = temporary / "studio.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "ganzoo", "studio", *words, "--port", "0", "--device", "cpu"],
            cwd=home,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)},
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
        )
    assert process.stdout is not None
    try:
        found = re.search(r"http://\S+(?=;)", process.stdout.readline())
        assert found, log.read_text()
        yield Server(found[0], process, log)
    finally:
        process.send_signal(ends_by)
        assert process.wait(60) == 0
        assert log.read_text() == ""
        assert [*temporary.glob("ganzoo-studio-*")] == []


@dataclass
class Tab:
    """A page of the studio in a browser; what it asked for and printed is kept."""

    page: Any
    url: str
    foreign: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def open(self) -> None:
        """Load the page, and wait until the newest run is ready."""
        self.page.goto(self.url)
        self.wait("#status", "ready: ")

    def text(self, place: str) -> str:
        """Return the text of a text field."""
        return str(self.page.locator(f"{place} textarea, {place} input").first.input_value())

    def wait(self, place: str, beginning: str) -> str:
        """Wait until a text field begins so; return its text."""
        return self.wait_for(place, "^" + re.escape(beginning))

    def wait_for(self, place: str, pattern: str) -> str:
        """Wait until a text field matches a pattern of JavaScript; return its text."""
        found = f"document.querySelector('{place} textarea, {place} input')?.value"
        self.page.wait_for_function(f"pattern => new RegExp(pattern).test({found} ?? '')", arg=pattern, timeout=WAIT)
        return self.text(place)

    def choose(self, place: str, beginning: str) -> None:
        """Choose the first entry of a drop-down list that begins so."""
        self.page.locator(f"{place} input").first.click()
        self.page.locator("[role=option]").filter(has_text=re.compile("^\\W*" + re.escape(beginning))).first.click()

    def upload(self, place: str, *files: Path) -> None:
        """Choose files for an upload, and wait until they are there."""
        self.page.locator(f"{place} input[type=file]").first.set_input_files([str(file) for file in files])
        for file in files:
            self.page.locator(f"{place} .file-preview").get_by_text(file.stem[:8]).first.wait_for(timeout=WAIT)

    def fill(self, place: str, text: str) -> None:
        """Write a text into a field."""
        self.page.locator(f"{place} textarea, {place} input").first.fill(text)

    def translate(self) -> str:
        """Press Translate; wait for its end, and return the status."""
        return self.press("#start", "#status")

    def press(self, button: str, place: str) -> str:
        """Press a button; wait until the text field is written, and its work has ended; return the text."""
        self.page.evaluate("place => { document.querySelector(`${place} textarea`).value = '' }", place)
        self.page.locator(button).click()
        return self.wait_for(place, r"^(?!starting |waiting |translating: |loading |looking )[\s\S]+")

    def downloads(self, folder: Path) -> dict[str, bytes]:
        """Download each file that is offered; return name → content."""
        self.page.locator("#downloads a[download]").first.wait_for(timeout=WAIT)
        found = {}
        for link in self.page.locator("#downloads a[download]").all():
            with self.page.expect_download(timeout=WAIT) as waiting:
                link.click()
            target = folder / waiting.value.suggested_filename
            waiting.value.save_as(target)
            found[target.name] = target.read_bytes()
        return found


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a headless Chromium; skip the test, with the reason, where it or Playwright is missing."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: make test-studio")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: make test-studio")
    with playwright.sync_playwright() as started:
        chromium = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield chromium
        chromium.close()


def new_tab(chromium: Any, server: Server, width: int = 1400) -> Tab:
    """Return a tab in a browser context of its own, as that of another user."""
    page = chromium.new_context(viewport={"width": width, "height": 1000}, accept_downloads=True).new_page()
    page.set_default_timeout(WAIT)
    tab = Tab(page, server.url)
    own = (server.url.partition("?")[0].rstrip("/"), "data:", "blob:", "about:")
    page.on("request", lambda request: None if request.url.startswith(own) else tab.foreign.append(request.url))
    page.on("console", lambda line: tab.problems.append(line.text) if line.type == "error" else None)
    page.on("pageerror", lambda error: tab.problems.append(str(error)))
    return tab


def choose_run(tab: Tab, name: str) -> None:
    """Choose a run of ``studio_runs`` in the list, and wait until it is loaded."""
    tab.choose("#run", f"runs/{name}/default:")
    point = "best" if name == "plain" else "last"
    tab.page.wait_for_function(
        "([p]) => document.querySelector('#checkpoint input').value === p && "
        "document.querySelector('#status textarea').value.startsWith('ready: ' + p)",
        arg=[point],
    )
