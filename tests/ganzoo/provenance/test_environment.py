"""The description of a run's environment, also where an interrupted installation left a folder without metadata."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest
from accelerate import Accelerator

from ganzoo.plugins import installed_version, version_of
from ganzoo.provenance.environment import environment


def test_versions_are_those_of_the_installed_packages() -> None:
    described = environment(Accelerator(cpu=True))
    assert described["ganzoo"] == installed_version() and described["device"].startswith("cpu")
    assert described["packages"]["numpy"] == version("numpy")
    assert list(described["packages"]) == sorted(described["packages"])


def test_a_folder_without_metadata_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = environment(Accelerator(cpu=True))
    for name in ("foo-1.0", "numpy-0.1", "lpips-0.1"):
        (tmp_path / f"{name}.dist-info").mkdir()
    (tmp_path / "lpips-0.1.dist-info/METADATA").touch()
    monkeypatch.syspath_prepend(tmp_path)
    assert environment(Accelerator(cpu=True)) == expected
    assert version_of("numpy") == version_of("NumPy") == expected["packages"]["numpy"]
    assert version_of("foo") == version_of("no-such-package") == ""
