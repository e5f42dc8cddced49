"""Specs, and records of cells that were never run, for the tests of tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ganzoo.result import Cost, Data, Record

SPEC: dict[str, Any] = {
    "title": "A table",
    "seeds": [0, 1],
    "set": ["train.steps=2"],
    "rows": {"one": {"label": "One", "recipe": "tiny.yaml"}, "two": {"label": "Two", "recipe": "tiny.yaml"}},
    "columns": [{"figure": "cycle_l1_AB", "label": "cycle", "better": "less"}],
}


def write_spec(folder: Path, **changes: Any) -> Path:
    """Write a spec of two rows and two seeds, with changes; return its path."""
    file = folder / "spec.yaml"
    file.write_text(yaml.safe_dump({**SPEC, **changes}, sort_keys=False))
    return file


def record(
    row: str,
    seed: int,
    figures: dict[str, float],
    *,
    data: str = "",
    status: Any = "ok",
    why: str = "",
    about: dict[str, Any] | None = None,
) -> Record:
    """Return a record of a cell with some figures."""
    return Record(
        status=status,
        why=why,
        recipe="tiny",
        name=f"{row}-{seed}",
        method="cyclegan",
        recipe_key="",
        plugins={},
        core="",
        data=Data(dataset="noise", keys={}, pictures={}),
        seed=seed,
        step=100,
        trained=100,
        checkpoint="last",
        rule="last",
        weights="",
        split="test",
        pictures={},
        metrics=[],
        figures=figures,
        about={name: about or {"metric": "x", "n_fake": 3} for name in figures},
        failed={},
        cost=Cost(seconds=60.0),
        environment={"device": "a machine", "cores": 2},
        cell={"spec": "spec", "scale": "", "row": row, "data": data},
    )
