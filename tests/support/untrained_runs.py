"""Write run folders with untrained networks, for tests of commands that use runs."""

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


def write_untrained_run(folder: Path, recipe: Mapping[str, Any], **channels: int) -> Path:
    """Write the run of a recipe without opening its data set; the weights are four times the initial ones."""
    networks = folder / "checkpoints/last/networks"
    networks.mkdir(parents=True)
    file = folder / "recipe.yaml"
    data = {"dataset": "folders", "root": "nowhere"}
    file.write_text(yaml.safe_dump({"data": data, "train": {"steps": 1}, "images": {"size": 16}, **recipe}))
    resolved = read_recipe(file)
    (folder / "resolved.yaml").write_text(yaml.safe_dump(resolved.resolved()))
    domain_channels = {"A": 3, "B": 3, **channels}
    method = build_method(resolved, domain_channels)
    for name, network in method.networks.items():
        state = {key: tensor * 4 if key.endswith("weight") else tensor for key, tensor in network.state_dict().items()}
        copies = {key: tensor.contiguous().clone() for key, tensor in state.items()}
        save_file(copies, networks / f"{name}.safetensors")
    progress = {"step": 0, "bad": 0, "best": None, "channels": domain_channels, "classes": {}}
    (networks.parent / PROGRESS).write_text(json.dumps(progress))
    return folder
