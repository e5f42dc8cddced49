"""Tiny runs for the tests of the studio: without masks, with masks, with styles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

import ganzoo
from tests.support.tiny_run import write_recipe

METHODS: dict[str, dict[str, Any]] = {
    "plain": {},
    "masked": {"method": {"method": "mask_cyclegan"}, "maskers": {"input": {"masker": "multi_rectangle"}}},
    "styled": {
        "method": {"method": "munit"},
        "networks": {
            "G": {"generator": "munit", "width": 2, "blocks": 1, "downs": 1, "style": 3, "hidden": 4},
            "D": {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 1},
        },
    },
}
"""Name of a run → the sections of its recipe that differ from the tiny one."""


def train_runs(home: Path, *names: str) -> Path:
    """Train runs, two steps each, into ``home/runs``; return that folder."""
    for name in names or METHODS:
        metrics = ["cycle_l1"] if name == "plain" else []
        recipe = write_recipe(home, name, evaluate={"metrics": metrics}, **METHODS[name])
        if name == "styled":  # it has no pool of images
            content = yaml.safe_load(recipe.read_text())
            recipe.write_text(yaml.safe_dump(content | {"method": METHODS[name]["method"]}))
        changes = [] if metrics else ["evaluate.best=null"]
        ganzoo.run(recipe, "train.steps=2", "train.sample=2", "evaluate.every=2", *changes, root=home / "runs")
    return home / "runs"
