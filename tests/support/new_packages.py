"""Packages that ``ganzoo new plugin`` writes, made visible to Python without an installation."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from ganzoo.authoring.names import Names
from ganzoo.authoring.package import KINDS, render_package
from ganzoo.authoring.writer import write_project
from tests.support.pages import ROOT


def write_package(folder: Path, name: str, kinds: Iterable[str] = KINDS) -> Path:
    """Write a package below a folder, with the metadata that an installation writes; return the project's folder."""
    names = Names(name)
    project = folder / names.project
    write_project(project, render_package(names, list(kinds)))
    metadata = project / f"{name}-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {names.project}\nVersion: 0.1.0\n")
    (metadata / "entry_points.txt").write_text(f"[ganzoo]\n{name} = {name}\n")
    return project


def variables_for(*projects: Path) -> dict[str, str]:
    """Return the environment variables with which a new process imports ganzoo from here, and these packages."""
    paths = map(str, (ROOT, ROOT / "plugins", *projects))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
