"""The browser, the runs and the server of the tests that drive the page; checks of recipes in this process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ganzoo.studio import recipe_form
from tests.support.browser import Server, Tab, browser, new_tab, serving
from tests.support.command_line import call_here
from tests.support.studio_runs import train_runs


@pytest.fixture
def checked_here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Let the studio check recipes in this process; starting one for each check takes seconds."""

    def run(words: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert words[1:3] == ["-m", "ganzoo"]
        return call_here(tuple(words[3:]), capsys)

    stand_in = SimpleNamespace(run=run, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(recipe_form, "subprocess", stand_in)


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    with browser() as started:
        yield started


@pytest.fixture(scope="package")
def page_home(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("studio_page")
    train_runs(home)
    return home


@pytest.fixture(scope="package")
def server(page_home: Path) -> Iterator[Server]:
    with serving(page_home, "runs", "--max-upload", "20") as server:
        yield server


@pytest.fixture
def tab(chromium: Any, server: Server) -> Iterator[Tab]:
    tab = new_tab(chromium, server)
    tab.open()
    yield tab
    assert (tab.foreign, tab.problems) == ([], [])
    tab.page.context.close()
