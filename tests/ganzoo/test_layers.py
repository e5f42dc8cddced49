"""Imports run downward only, type imports included, and the import graph has no circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LAYERS = {
    "errors": 1,
    "randomness": 1,
    "data.types": 1,
    "settings": 2,
    "step": 2,
    "utils": 2,
    "contracts": 2,
    "data": 3,
    "masks": 3,
    "weights": 3,
    "report": 3,
    "interfaces": 4,
    "hookspecs": 4,
    "registry": 4,
    "plugins": 4,
    "recipe": 5,
    "contracts.declaration": 5,
    "provenance": 6,
    "engine": 6,
    "build": 7,
    "evaluation": 8,
    "inference": 8,
    "authoring": 9,
    "training": 9,
    "check": 9,
    "bench": 9,
    "testing": 9,
    "studio": 9,
    "cli": 10,
    "": 10,
    "__main__": 11,
}
"""Module or package below ``ganzoo`` → its layer; the longest matching name counts. ``""``: ``ganzoo/__init__.py``."""


def modules(*roots: Path) -> dict[str, Path]:
    """Return every module below some source roots, by its dotted name."""
    found = {}
    for root in roots:
        for file in sorted(root.rglob("*.py")):
            name = ".".join(file.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
            if name.startswith("ganzoo"):
                found[name] = file
    return found


MODULES = modules(ROOT, ROOT / "plugins")


def imported(file: Path, known: Mapping[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield the known modules that a file imports, anywhere in it, with the line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((one.name, node.lineno) for one in node.names if one.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for one in node.names:
                inner = f"{node.module}.{one.name}"
                yield (inner if inner in known else node.module or ""), node.lineno


def layer(module: str) -> int:
    """Return the layer of a module of the core."""
    parts = module.split(".")[1:]
    for count in range(len(parts), -1, -1):
        if (name := ".".join(parts[:count])) in LAYERS and (name or not parts):
            return LAYERS[name]
    raise AssertionError(f"{module} is in no layer: add it to LAYERS, and to docs/how_it_is_built.md")


def upward(file: Path, module: str, known: Mapping[str, Path]) -> list[str]:
    """Return the imports of a module of the core that lead to a higher layer."""
    mine = layer(module)
    lines = []
    for target, line in imported(file, known):
        if target.split(".")[0] == "ganzoo" and layer(target) > mine:
            lines.append(f"{file}:{line}: layer {mine} imports {target}, layer {layer(target)}")
    return lines


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Return the sets of modules that import one another in a circle (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(module: str) -> None:
        order[module] = low[module] = len(order)
        stack.append(module)
        for target in graph[module]:
            if target not in order:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], order[target])
        if low[module] == order[module]:
            component = set()
            while True:
                component.add(stack.pop())
                if module in component:
                    break
            if len(component) > 1:
                found.append(component)

    for module in graph:
        if module not in order:
            visit(module)
    return found


def graph_of(known: Mapping[str, Path]) -> dict[str, set[str]]:
    return {name: {target for target, _ in imported(file, known)} - {name} for name, file in known.items()}


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] == "ganzoo"])
def test_no_import_leads_upward(module: str) -> None:
    assert upward(MODULES[module], module, MODULES) == []


def test_no_modules_import_one_another_in_a_circle() -> None:
    graph = graph_of(MODULES)
    assert len(graph) > 150 and sum(map(len, graph.values())) > 500
    assert circles(graph) == []


@pytest.mark.parametrize(
    "line",
    [
        "from ganzoo.engine.engine import Engine",
        "def later():\n    from ganzoo.training import run",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import ganzoo.bench.table",
    ],
)
def test_a_planted_upward_import_fails(tmp_path: Path, line: str) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(line)
    assert len(upward(planted, "ganzoo.data.planted", MODULES)) == 1
    assert upward(planted, "ganzoo.cli.planted", MODULES) == []


def test_a_planted_circle_fails(tmp_path: Path) -> None:
    for name, text in {
        "a": "from ganzoo_x import b",
        "b": "if True:\n    import ganzoo_x.c",
        "c": "import ganzoo_x.a",
    }.items():
        (tmp_path / f"{name}.py").write_text(text)
    known = {f"ganzoo_x.{name}": tmp_path / f"{name}.py" for name in "abc"} | {"ganzoo_x": tmp_path / "a.py"}
    assert {frozenset(one) for one in circles(graph_of(known))} >= {
        frozenset({"ganzoo_x.a", "ganzoo_x.b", "ganzoo_x.c"})
    }


def test_the_folder_shows_the_subsystems() -> None:
    inside = [one for one in (ROOT / "ganzoo").iterdir() if one.name != "__pycache__"]
    assert len([one for one in inside if one.is_file()]) <= 12
    assert len([one for one in inside if one.is_dir()]) <= 19


PUBLIC = ("ganzoo", "ganzoo.interfaces", "ganzoo.weights", "ganzoo.testing")


@pytest.mark.parametrize("module", [name for name in MODULES if name.split(".")[0] != "ganzoo"])
def test_plugins_import_the_public_interface_alone(module: str) -> None:
    targets = {target for target, _ in imported(MODULES[module], MODULES) if target.split(".")[0] == "ganzoo"}
    assert {one for one in targets if one not in PUBLIC} == set()
