"""The names of ``ganzoo.interfaces``: all are there, and those that need torch are imported at their first use."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from ganzoo import interfaces


def test_type_checkers_see_the_names_that_are_imported_at_their_first_use() -> None:
    tree = ast.parse(Path(interfaces.__file__).read_text(encoding="utf-8"))
    (block,) = [one for one in tree.body if isinstance(one, ast.If) and ast.unparse(one.test) == "TYPE_CHECKING"]
    seen = {one.module: [name.name for name in one.names] for one in block.body if isinstance(one, ast.ImportFrom)}
    assert seen == {module: names.split() for module, names in interfaces._AT_FIRST_USE.items()}


def test_every_name_can_be_imported_and_no_other() -> None:
    for name in interfaces.__all__:
        getattr(interfaces, name)
    for module, names in interfaces._AT_FIRST_USE.items():
        assert all(getattr(interfaces, name) is getattr(import_module(module), name) for name in names.split())
    with pytest.raises(AttributeError, match="no attribute 'Metod'"):
        _ = interfaces.Metod  # type: ignore[attr-defined]


def test_data_sets_are_imported_without_torch() -> None:
    code = (
        "import sys\nfrom ganzoo.plugins import plugins\n"
        "for one in plugins().registry.find('dataset'):\n"
        "    if one.plugin != 'example':\n        one.load()\n"
        "print('torch' in sys.modules)\nfrom ganzoo.interfaces import Method\nprint('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.split() == ["False", "True"], done.stderr
