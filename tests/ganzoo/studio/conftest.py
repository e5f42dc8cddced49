"""The browser, the runs and the server of the tests that drive the page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import Server, Tab, browser, new_tab, serving
from tests.support.studio_runs import train_runs


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
