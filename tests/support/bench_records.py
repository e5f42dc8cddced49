"""Specs, runs of their cells in this process, and invented records, for the tests of ganzoo bench and ganzoo table."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import ganzoo
from ganzoo.bench import children, runner
from ganzoo.bench.cell import RunCommand
from ganzoo.bench.spec import Bench, Places, read_spec
from ganzoo.errors import GanzooError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.provenance.record import Cost, Data, Record
from tests.support.tiny_run import lines, write_recipe

SPEC: dict[str, Any] = {
    "title": "A table",
    "seeds": [0, 1],
    "set": ["train.steps=2"],
    "rows": {"one": {"label": "One", "recipe": "tiny.yaml"}, "two": {"label": "Two", "recipe": "tiny.yaml"}},
    "columns": [{"value": "cycle_l1_AB", "label": "cycle", "better": "less"}],
}


class Runs:
    """Runs the commands of a bench in this process, and lists their names."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        if words[0] == "evaluate":
            self.names.append(f"evaluate {Path(words[1]).name}")
            checkpoint, changes = words[words.index("--checkpoint") + 1], words[words.index("--set") + 1 :]
            evaluate_targets([Path(words[1])], checkpoint=checkpoint, changes=changes)
            return subprocess.CompletedProcess(words, 0, "", "")
        changes = [one for one in words[2:] if "=" in one]
        name, root = words[words.index("--name") + 1], words[words.index("--root") + 1]
        self.names.append(name)
        try:
            ganzoo.run(words[1], *changes, name=name, root=root, fresh="--fresh" in words)
        except GanzooError as error:
            return subprocess.CompletedProcess(words, error.exit_code, "", f"ganzoo: {error}\n")
        return subprocess.CompletedProcess(words, 0, "", "")


def replace_run_command(patch: pytest.MonkeyPatch, run_command: RunCommand) -> None:
    """Let a bench call a function where it would run a command of ganzoo in a child process."""
    patch.setattr(children.ChildProcesses, "run", staticmethod(run_command))


def write_spec(folder: Path, **changes: Any) -> Path:
    """Write a spec of two rows and two seeds, with changes; return its path."""
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump({**SPEC, **changes}, sort_keys=False))
    return file


def record(
    row: str,
    seed: int,
    values: dict[str, float],
    *,
    data: str = "",
    status: Any = "ok",
    why: str = "",
    about: dict[str, Any] | None = None,
    failed: dict[str, str] | None = None,
) -> Record:
    """Return a record of a cell with some values."""
    return Record(
        status=status,
        why=why,
        recipe="tiny",
        name=f"{row}-{seed}",
        method="cyclegan",
        data=Data(dataset="noise"),
        seed=seed,
        step=100,
        trained=100,
        checkpoint="last",
        rule="last",
        split="test",
        values=values,
        about={name: about or {"metric": "x", "n_fake": 3} for name in values},
        failed=failed or {},
        cost=Cost(seconds=60.0),
        environment={"device": "a machine", "cores": 2},
        cell={"spec": "spec", "scale": "", "row": row, "data": data},
    )


MARKERS = "# Page\n<!-- spec table: made -->\n<!-- end of spec table -->\nrest\n"


def spec(folder: Path, **changes: Any) -> Bench:
    """Return a bench of two rows of the tiny recipe, with a page beside it, and with changes."""
    if not (folder / "tiny.yaml").exists():
        write_recipe(folder, evaluate={"every": 0, "best": None})
        (folder / "page.md").write_text(MARKERS)
    rows = {
        "one": {"label": "One", "recipe": "tiny.yaml"},
        "two": {"label": "Two", "recipe": "tiny.yaml", "set": ["method.cycle=1"]},
    }
    return read_spec(write_spec(folder, **{"page": "page.md", "rows": rows, **changes}))


def make(bench: Bench) -> list[dict[str, Any]]:
    """Run what a bench lacks; return its records without their times."""
    runner.run(bench, Places(bench.file.parent / "runs"), jobs=1)
    return lines(bench.records, "time", "cost")
