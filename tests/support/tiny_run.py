"""Tiny runs on images in a temporary folder, for the tests of runs, resuming, processes and translation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from ganzoo.testing.two_processes import train_in_float64, train_with_two_processes

TIMES = ("time", "images_per_s", "data_wait", "seconds", "memory", "cost")
"""The fields of a line that differ between two equal runs."""
IDENTITY = ("recipe", "name", "recipe_key", "trained_by")
"""The fields of a record that differ between two equal runs: their names, and the sessions that trained them."""

RECIPE: dict[str, Any] = {
    "method": {"method": "cyclegan", "pool": 2},
    "networks": {
        "G": {"generator": "resnet", "width": 2, "blocks": 1},
        "D": {"discriminator": "patch", "width": 2, "layers": 1},
    },
    "data": {"dataset": "folders", "root": "images"},
    "images": {"size": 12, "load": 16},
    "train": {"steps": 8, "precision": "fp32", "batch": 2, "lr": 1e-3, "ema": 0.5, "log": 3, "sample": 4, "save": 2},
    "evaluate": {"metrics": ["cycle_l1", "identity_l1"], "every": 4, "best": "min cycle_l1_AB"},
}


def make_images(folder: Path, train: int = 12, test: int = 3, *, masks: bool = False) -> Path:
    """Write PNGs of noise, 20×16, into trainA, trainB, testA, testB; with ``masks`` also masks of their left half."""
    for split, count in (("train", train), ("test", test)):
        for domain in "AB":
            place = folder / f"{split}{domain}"
            place.mkdir(parents=True)
            for index in range(count):
                pixels = np.random.default_rng([len(split), ord(domain), index]).integers(0, 256, (16, 20, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{index:02}.png")
                if masks:
                    mask_folder = folder / f"{place.name}_masks"
                    mask_folder.mkdir(exist_ok=True)
                    half = np.repeat(np.where(np.arange(20) < 10, 255, 0)[None], 16, axis=0)
                    Image.fromarray(half.astype(np.uint8)).save(mask_folder / f"{index:02}.png")
    return folder


def write_recipe(folder: Path, name: str = "tiny", **changes: Mapping[str, Any]) -> Path:
    """Write the tiny recipe with changed sections, and its images into a folder beside it."""
    if not (folder / "images").exists():
        make_images(folder / "images")
    recipe = {section: {**dict(value)} for section, value in RECIPE.items()}
    recipe["data"]["root"] = str(folder / "images")
    for section, value in changes.items():
        recipe[section] = {**recipe.get(section, {}), **value}
    file = folder / f"{name}.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file


def ganzoo(*words: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Any:
    """Run the command line in a new process."""
    return subprocess.run(
        [sys.executable, "-m", "ganzoo", *map(str, words)],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
    )


def float64_run(recipe: Path, root: Path, *overrides: str, processes: Literal[1, 2] = 1) -> Path:
    """Train in float64 in this process, or with two of their own; return the run's folder."""
    return (train_in_float64 if processes == 1 else train_with_two_processes)(recipe, root, *overrides)


def everything(checkpoint: Path) -> dict[str, bytes]:
    """Return every tensor of a checkpoint as bytes, by file and name, and its progress without the sessions."""
    progress = json.loads((checkpoint / "progress.json").read_bytes())
    del progress["sessions"], progress["checksum"]  # the checksum is of the sessions, too
    contents = {"progress": json.dumps(progress).encode()}
    for file in sorted(checkpoint.rglob("*.safetensors")):
        for name, tensor in load_file(file).items():
            contents[f"{file.relative_to(checkpoint)}:{name}"] = tensor.reshape(-1).view(torch.uint8).numpy().tobytes()
    return contents


def lines(file: Path, *without: str) -> list[dict[str, Any]]:
    """Return the JSON lines of a file, without the named fields."""
    parsed = [json.loads(line) for line in file.read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in without} for line in parsed]


def assert_same(one: Path, other: Path) -> None:
    """Assert that two runs have the same weights, state, metric values and images, bit for bit, apart from times."""
    first, second = everything(one / "checkpoints" / "last"), everything(other / "checkpoints" / "last")
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    for name in ("metrics.jsonl", "results.jsonl"):
        assert lines(one / name, *TIMES, *IDENTITY) == lines(other / name, *TIMES, *IDENTITY)
    grids = sorted(path.name for path in (one / "samples").iterdir())
    assert grids == sorted(path.name for path in (other / "samples").iterdir())
    for name in grids:
        assert (one / "samples" / name).read_bytes() == (other / "samples" / name).read_bytes()
