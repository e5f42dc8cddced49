"""The cache folder: which environment variable decides."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ganzoo.utils.cache import cache_folder


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have other cache folders")
def test_ganzoo_cache_comes_before_xdg_cache_home_and_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "own"))
    assert cache_folder() == tmp_path / "own"
    monkeypatch.delenv("GANZOO_CACHE")
    assert cache_folder() == tmp_path / "xdg/ganzoo"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / "home/.cache/ganzoo"
    assert list(tmp_path.iterdir()) == []
