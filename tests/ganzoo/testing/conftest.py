"""Install the plugin of wrong components, also for new processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ganzoo.plugins import plugins

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(autouse=True, scope="module")
def _wrong_parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("plugins")
    about = folder / "wrong_parts-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: wrong-parts\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[ganzoo]\nwrong = tests.support.wrong_parts\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        patch.syspath_prepend(str(ROOT))
        plugins.cache_clear()
        yield
    plugins.cache_clear()
