"""Folders of runs that were trained elsewhere: complete, or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import ganzoo
from ganzoo.errors import GanzooError
from ganzoo_cyclegan.resnet import ResNet
from tests.support.tiny_run import RECIPE

PROGRESS = {"step": 0, "bad": 0, "best": None, "channels": {"A": 3, "B": 3}, "classes": {}}


def written(folder: Path, width: int = 2) -> Path:
    """Write the tiny recipe's run with a generator AB of that width; return its folder."""
    generator = ResNet(3, 3, width=width, blocks=1)
    ganzoo.write_run(folder, RECIPE, {"G_AB": generator.state_dict()}, PROGRESS)
    return folder


def test_what_was_written_translates(tmp_path: Path) -> None:
    run = ganzoo.load(written(tmp_path / "deep/run"))
    assert run.translate(torch.zeros(3, 12, 12), direction="AB").shape == (3, 12, 12)
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["run"]


def test_a_mistake_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"recipe\.yaml:\d+: train\.stepps: "):
        ganzoo.write_run(tmp_path / "run", {**RECIPE, "train": {"stepps": 1}}, {}, PROGRESS)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_refused_and_stays(tmp_path: Path) -> None:
    folder = written(tmp_path / "run")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    with pytest.raises(GanzooError, match=r"run: it exists already; choose another folder$"):
        written(folder, width=3)
    assert {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
