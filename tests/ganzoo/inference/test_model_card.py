"""The commands of a model card work for the networks that are published."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import ganzoo
from tests.support.command_line import Run
from tests.support.random_images import noise, save
from tests.support.untrained_runs import renew_checksums, write_untrained_run

RESNET = {"generator": "resnet", "width": 2, "blocks": 0}
CYCLEGAN = {"method": "cyclegan", "networks": {"G": RESNET}}
MASKED = {"method": "mask_cyclegan", "networks": {"G": RESNET}, "maskers": {"input": {"masker": "file"}}}


@pytest.mark.parametrize(
    ("recipe", "missing", "command", "arguments", "export"),
    [
        (CYCLEGAN, "", "--direction AB", '"image.png"', ""),
        (CYCLEGAN, "G_AB", "--direction BA", '"image.png", "BA"', " --direction BA"),
        (MASKED, "", "--direction AB --mask MASKS", '"image.png", mask="mask.png"', ""),
        (MASKED, "G_AB", "--direction BA --mask MASKS", '"image.png", "BA", mask="mask.png"', " --direction BA"),
    ],
    ids=["both", "only-BA", "masks", "only-BA-masks"],
)
def test_its_commands_have_the_direction_and_the_masks_that_they_need(
    run: Run, tmp_path: Path, recipe: Mapping[str, Any], missing: str, command: str, arguments: str, export: str
) -> None:
    folder = write_untrained_run(tmp_path / "run", recipe)
    if missing:
        (folder / f"checkpoints/last/networks/{missing}.safetensors").unlink()
        renew_checksums(folder / "checkpoints/last")
    ganzoo.publish(folder, tmp_path / "out", licence="mit")
    card = (tmp_path / "out/README.md").read_text()
    translated = f"ganzoo translate FOLDER IMAGES -o OUT {command}"
    assert translated in card.splitlines()
    assert f'ganzoo.load("FOLDER").translate({arguments})\n' in card
    assert f"`ganzoo export FOLDER -o model.onnx{export}`\n" in card
    assert ("need a mask for each image" in card) == ("MASKS" in command)
    images = {
        "IMAGES": save(tmp_path / "image.png", noise(16, 16, 3)),
        "MASKS": save(tmp_path / "mask.png", noise(16, 16)),
    }
    places = {"FOLDER": tmp_path / "out", "OUT": tmp_path / "translated", **images}
    code, _, err = run(*(places.get(word, word) for word in translated.split()[1:]))
    assert code == 0, err


def test_a_run_without_directions_has_a_card(tmp_path: Path) -> None:
    recipe = {"method": "segmenter", "networks": {"S": {"masker": "unet", "width": 2, "depth": 1}}}
    ganzoo.publish(write_untrained_run(tmp_path / "run", recipe), tmp_path / "out", licence="mit")
    assert (tmp_path / "out/README.md").is_file()
