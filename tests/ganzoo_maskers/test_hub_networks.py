"""Networks of transformers are read from three files, whose mistakes are errors of one line; no code is run."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from ganzoo import create
from ganzoo.randomness import Draws
from tests.support.command_line import refusal
from tests.support.hub_networks import write_network
from tests.support.published_weights import Published

FILES = ("config.json", "preprocessor_config.json", "model.safetensors")
IMAGES = torch.rand(1, 3, 20, 30, generator=torch.Generator().manual_seed(0)) * 2 - 1


def make(name: str, **options: Any) -> Any:
    return create("masker", name, **options)


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    pytest.importorskip("transformers", reason="the extra transformers is not installed")
    folder = tmp_path_factory.mktemp("networks")
    return {kind: write_network(folder / kind, kind) for kind in ("depth_anything", "dpt", "sam")}


@pytest.fixture
def copy(networks: dict[str, Path], tmp_path: Path) -> Path:
    """A folder of the network for depth that a test may spoil."""
    for name in FILES:
        (tmp_path / name).write_bytes((networks["depth_anything"] / name).read_bytes())
    return tmp_path


@pytest.mark.parametrize("name", ["depth", "sam"])
def test_a_missing_transformers_is_named_with_its_extra(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    message = refusal(make, name)
    assert message == f"{name}: it needs the package transformers: pip install 'ganzoo-i2i[transformers]'"


def test_the_network_is_frozen_and_of_float32_and_nothing_is_printed(
    networks: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, kind in (("depth", "depth_anything"), ("depth", "dpt"), ("sam", "sam")):
        masker = make(name, weights=networks[kind]).train()
        assert not masker.training and not masker.network.training
        assert {one.dtype for one in masker.network.parameters()} == {torch.float32}
        assert not any(one.requires_grad for one in masker.parameters())
        written = load_file(networks[kind] / "model.safetensors")
        assert all(torch.equal(one, written[key]) for key, one in masker.network.state_dict().items())
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err == ""


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    message = refusal(make, "depth", weights=copy)
    assert message == f"{copy / name}: no such file; the folder of a network has {', '.join(FILES[:2])} and {FILES[2]}"


def test_pickled_weights_are_not_read(copy: Path) -> None:
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    assert "model.safetensors: no such file" in refusal(make, "depth", weights=copy)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("config.json", "{", "config.json: damaged: it does not hold the description of a network"),
        ("config.json", "[]", "(not a JSON object)"),
        ("config.json", "{}", "config.json: a network of the kind ''; depth uses depth_anything and dpt"),
        ("config.json", '{"model_type": "bert"}', "a network of the kind 'bert'"),
        (
            "config.json",
            '{"model_type": "depth_anything", "depth_estimation_type": "unknown"}',
            "config.json: it describes no depth_anything: ",
        ),
        ("preprocessor_config.json", "{}", "it does not hold mean and deviation of the network's images"),
        (
            "preprocessor_config.json",
            '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}',
            "the size of its images is not known (KeyError('size'))",
        ),
        ("model.safetensors", "x", "model.safetensors: the weights cannot be read"),
    ],
)
def test_a_damaged_file_is_an_error_of_one_line(copy: Path, file: str, text: str, message: str) -> None:
    (copy / file).write_text(text)
    found = refusal(make, "depth", weights=copy)
    assert message in found and "\n" not in found


@pytest.mark.parametrize("change", ["left out", "of another size"])
def test_weights_of_another_network_are_refused(copy: Path, change: str) -> None:
    state = load_file(copy / "model.safetensors")
    del state["head.conv1.bias"]
    if change == "of another size":
        state["head.conv1.bias"] = torch.zeros(99)
    save_file(state, copy / "model.safetensors")
    message = refusal(make, "depth", weights=copy)
    assert message.endswith(
        "weights of another network than config.json describes: head.conv1.bias is missing or of another size"
    )


def test_published_files_are_found_under_their_names(networks: dict[str, Path], published: Published) -> None:
    for name in FILES:
        source = networks["sam"] / name
        (published.own / f"somebody-sam-tiny-{name}").write_bytes(source.read_bytes())
    masker = make("sam", model="somebody/sam-tiny")
    assert torch.equal(masker(IMAGES, Draws([])), make("sam", weights=networks["sam"])(IMAGES, Draws([])))
    assert published.untouched() and published.asked == []


def test_without_a_network_the_error_names_the_file_and_the_folder(
    networks: dict[str, Path], published: Published
) -> None:
    message = refusal(make, "depth", model="somebody/depth")
    assert message.startswith("somebody/depth/config.json cannot be fetched: no connection (no route)")
    assert "https://huggingface.co/somebody/depth/resolve/main/config.json" in message
    assert message.endswith(
        "or name a folder with config.json, preprocessor_config.json and model.safetensors, weights: FOLDER"
    )
    assert published.untouched()


def test_a_name_without_a_user_is_refused(networks: dict[str, Path]) -> None:
    message = refusal(make, "sam", model="sam")
    assert message == "sam: not a name on the hub, USER/NAME; a folder is the option weights: FOLDER"


def test_code_named_by_a_network_is_not_run(copy: Path) -> None:
    described = json.loads((copy / "config.json").read_text())
    assert described["auto_map"]
    (copy / "code.py").write_text("raise RuntimeError('run')")
    assert make("depth", weights=copy)(IMAGES, Draws([])).shape == (1, 1, 20, 30)
