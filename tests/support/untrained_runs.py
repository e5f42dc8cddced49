"""Runs as training leaves them, but with networks as they are drawn: for tests of what is done with runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors.torch import save_file

from ganzoo.build import build_method
from ganzoo.engine.checkpoint import PROGRESS
from ganzoo.recipe.reader import read_recipe


def untrained(folder: Path, recipe: Mapping[str, Any], **channels: int) -> Path:
    """Write the run of a recipe, whose data set is never opened; weights are four times as large as they are drawn."""
    networks = folder / "checkpoints/last/networks"
    networks.mkdir(parents=True)
    file = folder / "recipe.yaml"
    data = {"dataset": "folders", "root": "nowhere"}
    file.write_text(yaml.safe_dump({"data": data, "train": {"steps": 1}, "images": {"size": 16}, **recipe}))
    read = read_recipe(file)
    (folder / "resolved.yaml").write_text(yaml.safe_dump(read.resolved()))
    sides = {"A": 3, "B": 3, **channels}
    method = build_method(read, sides)
    for name, network in method.networks.items():
        state = {key: one * 4 if key.endswith("weight") else one for key, one in network.state_dict().items()}
        save_file({key: one.contiguous().clone() for key, one in state.items()}, networks / f"{name}.safetensors")
    progress = {"step": 0, "bad": 0, "best": None, "channels": sides, "classes": {}}
    (networks.parent / PROGRESS).write_text(json.dumps(progress))
    return folder
