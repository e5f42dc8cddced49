"""Imported generators alone are measured on any data, exported, and trained on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.provenance.record import read_records
from tests.support.author_checkpoints import masked_resnet, resnet, unet
from tests.support.command_line import Run
from tests.support.tiny_run import make_images


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make_images(tmp_path / "images", train=2, test=3)


def imported(run: Run, tmp_path: Path, layout: str, **states: dict[str, torch.Tensor]) -> Path:
    files = []
    for name, state in states.items():
        files.append(tmp_path / f"{name}.pth")
        torch.save(state, files[-1])
    code, _, err = run("import", *files, "--from", layout, "-o", tmp_path / "theirs", "--size", 32)
    assert code == 0, err
    return tmp_path / "theirs"


def measured(run: Run, folder: Path, data: Path, *words: str) -> tuple[dict[str, float], str]:
    code, out, err = run("evaluate", folder, "--set", f"data.root={data}", *words)
    assert code == 0, err
    found = read_records(folder / "results.jsonl")[-1].values
    return {name: value for name, value in found.items() if not re.search("_(16|32)", name)}, out


def test_cyclegan_without_discriminators(run: Run, tmp_path: Path, data: Path) -> None:
    folder = imported(run, tmp_path, "cyclegan", latest_net_G_A=resnet(), latest_net_G_B=resnet(blocks=1))
    code, _, err = run("evaluate", folder, "--metric", "swd")
    assert code == 2
    assert err == f"ganzoo: {folder}: imported networks have no data of their own; add --set data.root=FOLDER\n"
    found, out = measured(run, folder, data, "--metric", "swd", "--metric", "cycle_l1")
    assert set(found) == {"swd_AB", "swd_BA", "cycle_l1_AB", "cycle_l1_BA"} and "lacks" not in out
    ganzoo_out = tmp_path / "translated"
    assert run("translate", folder, data / "testA", "-o", ganzoo_out)[0] == 0
    translated = ganzoo.load(folder).translate(Image.open(data / "testA/00.png"))
    with Image.open(ganzoo_out / "00.png") as written:
        assert translated.tobytes() == written.tobytes()


def test_a_single_generator_and_pix2pix(run: Run, tmp_path: Path, data: Path) -> None:
    found, _ = measured(run, imported(run, tmp_path, "cut", latest_net_G=resnet()), data, "--metric", "swd")
    assert set(found) == {"swd"}
    (tmp_path / "theirs").rename(tmp_path / "first")
    folder = imported(run, tmp_path, "pix2pix", latest_net_G=unet())
    pairs = f"data={{dataset: paired, root: {data}, layout: folders}}"
    found, _ = measured(run, folder, data, "--set", pairs, "--metric", "pair_l1", "--metric", "swd")
    assert set(found) == {"pair_l1", "swd"}


def test_mask_cyclegan_in_one_direction(run: Run, tmp_path: Path, data: Path) -> None:
    folder = imported(run, tmp_path, "mask_cgan", netG_A2B=masked_resnet())
    found, out = measured(run, folder, data, "--metric", "swd")
    assert set(found) == {"swd_AB"} and "the checkpoint lacks G_BA, E_BA; measured: AB" in out


def test_an_import_is_trained_on(run: Run, tmp_path: Path, data: Path) -> None:
    folder = imported(run, tmp_path, "cyclegan", latest_net_G_A=resnet(), latest_net_G_B=resnet())
    words = [f"data.root={data}", f"train.start={folder}"]
    code, out, err = run("run", folder / "resolved.yaml", *words, "--root", tmp_path / "runs")
    assert code == 0 and "begins with G_AB, G_BA; new: D_A, D_B" in out, err
