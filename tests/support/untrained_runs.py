"""Write run folders with untrained networks, for tests of commands that use runs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

from ganzoo.build import build_method
from ganzoo.engine.checkpoint_files import PROGRESS, write_progress
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.sealed import seal_text
from ganzoo.utils.tensors import file_checksum, write_tensors


def write_untrained_run(folder: Path, recipe: Mapping[str, Any], **channels: int) -> Path:
    """Write the run of a recipe without opening its data set; the weights are four times the initial ones."""
    networks = folder / "checkpoints/last/networks"
    networks.mkdir(parents=True)
    file = folder / "recipe.yaml"
    data = {"dataset": "folders", "root": "nowhere"}
    file.write_text(yaml.safe_dump({"data": data, "train": {"steps": 1}, "images": {"size": 16}, **recipe}))
    resolved = read_recipe(file)
    (folder / "resolved.yaml").write_text(seal_text(yaml.safe_dump(resolved.resolved())))
    domain_channels = {"A": 3, "B": 3, **channels}
    method = build_method(resolved, domain_channels)
    files = {}
    for name, network in method.networks.items():
        state = {key: tensor * 4 if key.endswith("weight") else tensor for key, tensor in network.state_dict().items()}
        files[f"networks/{name}.safetensors"] = write_tensors(networks / f"{name}.safetensors", state)
    progress = {"step": 0, "bad": 0, "best": None, "channels": domain_channels, "classes": {}}
    write_progress(networks.parent, progress, files)
    return folder


def renew_checksums(checkpoint: Path) -> None:
    """Write the checksums of a checkpoint's files into its progress.json, after a test has changed them."""
    progress = json.loads((checkpoint / PROGRESS).read_text())
    del progress["checksum"]
    files = {file.relative_to(checkpoint).as_posix(): file_checksum(file) for file in checkpoint.rglob("*.safetensors")}
    write_progress(checkpoint, progress, files)


def replace_while_loaded(run: Path, module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a run save new weights right after a module has loaded the run for the first time."""
    load = module.Translator
    replaced: list[Path] = []

    def load_and_replace(*args: Any, **options: Any) -> Any:
        translator = load(*args, **options)
        for file in [] if replaced else run.glob("checkpoints/last/networks/*.safetensors"):
            write_tensors(file, {name: tensor / 2 for name, tensor in load_file(file).items()})
            replaced.append(file)
        renew_checksums(run / "checkpoints/last")
        return translator

    monkeypatch.setattr(module, "Translator", load_and_replace)
