"""Install small packages with a plugin in a folder on the path, as pip does it, and remove them again."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ganzoo.cli import cli
from ganzoo.plugins import plugins

HOOKS = """\
from ganzoo import hookimpl

GANZOO_INTERFACE = 1


@hookimpl
def ganzoo_register(registry):
    registry.add("{kind}", "planted", "{module}.parts:Planted")
"""


class Site:
    """A folder on the path.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def install(self, package: str, hooks: str, **modules: str) -> None:
        """Write a package with a plugin of the same name: the code of its ``__init__``, and of other modules."""
        folder = self.folder / package
        folder.mkdir()
        for name, code in {"__init__": hooks, **modules}.items():
            (folder / f"{name}.py").write_text(code)
        info = self.folder / f"{package}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[ganzoo]\n{package} = {package}\n")
        importlib.invalidate_caches()
        plugins.cache_clear()

    def plant(self, kind: str, code: str, package: str = "theirs") -> Path:
        """Install a package with one component ``planted``, the class ``Planted``; return the file of the class."""
        self.install(package, HOOKS.format(kind=kind, module=package), parts=code)
        return self.folder / package / "parts.py"


@contextmanager
def planted_site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Put a folder on the path, and afterwards forget all that was imported from it."""
    monkeypatch.syspath_prepend(folder)
    own, before = dict(cli.commands), set(sys.modules)
    plugins.cache_clear()
    yield Site(folder)
    plugins.cache_clear()
    cli.commands = own
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]
