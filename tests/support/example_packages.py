"""The packages in examples/, seen by this process and its children as if they were installed."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import invalidate_caches
from pathlib import Path
from typing import Any

import pytest

from ganzoo.plugins import plugins

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = sorted(file.parent for file in (ROOT / "examples").glob("*/pyproject.toml"))


def project_of(example: Path) -> dict[str, Any]:
    """Return the table ``project`` of an example's pyproject.toml."""
    project: dict[str, Any] = tomllib.loads((example / "pyproject.toml").read_text())["project"]
    return project


@contextmanager
def example_packages(folder: Path) -> Iterator[None]:
    """Let ganzoo find the entry points of all examples, by metadata that is written into an empty folder."""
    for example in EXAMPLES:
        project = project_of(example)
        metadata = folder / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
        )
        points = "".join(f"{name} = {module}\n" for name, module in project["entry-points"]["ganzoo"].items())
        (metadata / "entry_points.txt").write_text(f"[ganzoo]\n{points}")
    paths = [str(folder), *map(str, EXAMPLES)]
    with pytest.MonkeyPatch.context() as patch:
        for path in reversed(paths):
            patch.syspath_prepend(path)
        patch.setenv("PYTHONPATH", os.pathsep.join([*paths, *filter(None, [os.environ.get("PYTHONPATH")])]))
        plugins.cache_clear()
        try:
            yield
        finally:
            plugins.cache_clear()
            invalidate_caches()
