"""UNIT with layers that both domains share: which networks fit, averages, resuming, check's output, two processes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import nn

import ganzoo
from ganzoo_baselines.unit import UNIT
from ganzoo_baselines.unit_network import UNITGenerator
from ganzoo_munit.multiscale import MultiScale
from tests.support.command_line import Run, refusal
from tests.support.plain_steps import double_step, engine_of
from tests.support.tiny_run import RECIPE, assert_same, make_images
from tests.support.two_processes import assert_two_processes_train_as_one

SHARED = ("encoder.4.", "decoder.0.")
"""The last residual block of the encoder and the first of the decoder, of two each after three convolutions."""


def networks() -> dict[str, nn.Module]:
    made: dict[str, nn.Module] = {f"G_{one}": UNITGenerator(3, 3, width=2, blocks=2) for one in "AB"}
    return made | {f"D_{one}": MultiScale(3, width=2, layers=2, scales=2) for one in "AB"}


def test_networks_that_do_not_fit_are_refused() -> None:
    message = refusal(engine_of, UNIT(share=3), networks)
    assert message.startswith("method.share is 3, but the generators have 2 and 2 residual blocks, of 8 and 8 channels")
    wide = {**networks(), "G_B": UNITGenerator(3, 3, width=3, blocks=2)}
    assert "of 8 and 12 channels" in refusal(engine_of, UNIT(share=1), lambda: wide)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unit")
    text = {
        **RECIPE,
        "method": {"method": "unit", "share": 1, "halve": 0},
        "networks": {
            "G": {"generator": "unit", "width": 2, "blocks": 2},
            "D": {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2},
        },
        "data": {"dataset": "folders", "root": str(make_images(folder / "images"))},
        "images": {"size": 16},
        "train": {**RECIPE["train"], "decay": 0.0},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(text))
    return folder / "tiny.yaml"


def test_it_resumes_averages_and_translates(recipe: Path, tmp_path: Path) -> None:
    ganzoo.run(recipe, "train.log=4", root=tmp_path / "whole")
    ganzoo.run(recipe, "train.log=4", "train.steps=4", root=tmp_path / "halved")
    ganzoo.run(recipe, "train.log=4", root=tmp_path / "halved")
    whole = tmp_path / "whole/tiny/default"
    assert_same_but_for_the_stop(whole, tmp_path / "halved/tiny/default")
    for kind in ("networks", "average"):
        a, b = (load_file(whole / f"checkpoints/last/{kind}/G_{one}.safetensors") for one in "AB")
        assert all(torch.equal(a[name], b[name]) == name.startswith(SHARED) for name in a if a[name].ndim > 1)
    loaded = ganzoo.load(whole)
    assert loaded.method.networks["G_A"].encoder[4] is loaded.method.networks["G_B"].encoder[4]  # type: ignore[index]
    image = double_step()["real_A"].float()
    assert torch.isfinite(loaded.translate(image)).all()


def assert_same_but_for_the_stop(one: Path, other: Path) -> None:
    """Assert that two runs are the same, of which one was evaluated, drawn and ended once more on its way."""
    for extra in sorted((other / "samples").iterdir()):
        if not (one / "samples" / extra.name).exists():
            extra.unlink()
    results = (other / "results.jsonl").read_text().splitlines(keepends=True)
    (other / "results.jsonl").write_text("".join(line for line in results if json.loads(line)["step"] != 4))
    assert_same(one, other)


def test_check_counts_shared_parameters_once(run: Run, recipe: Path) -> None:
    code, message, err = run("check", recipe, "--quick")
    assert (code, err) == (0, "")
    rows = [line for line in message.splitlines() if line.strip().startswith(("G_A ", "G_B "))]
    sizes = {name: one.numel() for name, one in UNITGenerator(3, 3, width=2, blocks=2).named_parameters()}
    total, shared = sum(sizes.values()), sum(size for name, size in sizes.items() if name.startswith(SHARED))
    assert f" {total:,} " in rows[0] and f" {total - shared:,} + {shared:,} shared " in rows[1]


@pytest.mark.slow
def test_two_processes_equal_one(recipe: Path, tmp_path: Path) -> None:
    words = ["train.steps=3", "evaluate.every=0", "evaluate.best=null", "train.sample=0"]
    assert_two_processes_train_as_one(recipe, tmp_path, *words)
