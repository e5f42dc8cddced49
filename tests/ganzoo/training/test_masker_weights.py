"""A frozen masker's weights are not in a checkpoint: a run resumes with the same weights only."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import ganzoo
from ganzoo import GanzooError
from ganzoo.masks.roles import Roles
from ganzoo_maskers.fixed import Full
from ganzoo_maskers.learned import Learned
from ganzoo_maskers.unet import UNet
from tests.support.tiny_run import write_recipe


def write_unet(file: Path, seed: int) -> Path:
    torch.manual_seed(seed)
    unet = UNet(width=2, depth=1)
    unet.logits(torch.rand(2, 3, 8, 8))
    save_file(unet.state_dict(), file)
    return file


def test_weights_that_changed_between_two_sessions_are_refused(tmp_path: Path) -> None:
    file = write_unet(tmp_path / "unet.safetensors", 0)
    recipe = write_recipe(tmp_path, maskers={"discriminator": {"masker": "unet", "weights": str(file)}})
    quiet = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null"]
    ganzoo.run(recipe, *quiet, "train.steps=1", root=tmp_path / "runs")
    moved = write_unet(tmp_path / "other.safetensors", 0)
    moved.replace(file)  # written again, the same
    ganzoo.run(recipe, *quiet, "train.steps=2", root=tmp_path / "runs")
    write_unet(file, 1)
    with pytest.raises(
        GanzooError, match=r"cannot be resumed with these: weights.maskers.discriminator: \w{16} → \w{16}"
    ):
        ganzoo.run(recipe, *quiet, "train.steps=3", root=tmp_path / "runs")


def test_weights_under_another_path_are_the_same_if_their_contents_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write_unet(tmp_path / "unet.safetensors", 0)
    recipe = write_recipe(tmp_path, maskers={"discriminator": {"masker": "unet", "weights": str(file)}})
    quiet = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null"]
    ganzoo.run(recipe, *quiet, "train.steps=1", root=tmp_path / "runs")
    moved = f"maskers.discriminator.weights={file.rename(tmp_path / 'moved.safetensors')}"
    capsys.readouterr()
    ganzoo.run(recipe, *quiet, "train.steps=2", moved, root=tmp_path / "runs")
    assert f"maskers.discriminator.weights: {file} → {tmp_path}/moved.safetensors" in capsys.readouterr().out
    other = f"maskers.discriminator.weights={write_unet(tmp_path / 'other.safetensors', 1)}"
    with pytest.raises(GanzooError, match=r"with these: weights\.maskers\.discriminator: \w{16} → \w{16} "):
        ganzoo.run(recipe, *quiet, "train.steps=3", other, root=tmp_path / "runs")


def test_weights_of_a_masker_inside_another_may_move_too(tmp_path: Path) -> None:
    file = write_unet(tmp_path / "unet.safetensors", 0)
    inner = [{"masker": "round"}, {"masker": "unet", "weights": str(file)}]
    recipe = write_recipe(tmp_path, maskers={"discriminator": {"masker": "union", "of": inner}})
    quiet = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null"]
    ganzoo.run(recipe, *quiet, "train.steps=1", root=tmp_path / "runs")
    moved = file.rename(tmp_path / "moved.safetensors")
    changed = f"maskers.discriminator.of=[round, {{masker: unet, weights: {moved}}}]"
    ganzoo.run(recipe, *quiet, "train.steps=2", changed, root=tmp_path / "runs")
    others = changed.replace("round", "full"), changed.replace(str(moved), str(write_unet(file, 1)))
    for other, message in zip(
        others, (r"maskers\.discriminator\.of\.0", r"weights\.maskers\.discriminator"), strict=True
    ):
        with pytest.raises(GanzooError, match=f"cannot be resumed with these: .*{message}"):
            ganzoo.run(recipe, *quiet, "train.steps=3", other, root=tmp_path / "runs")


def test_a_checksum_depends_on_every_weight(tmp_path: Path) -> None:
    unet = UNet(weights=write_unet(tmp_path / "unet.safetensors", 0))
    roles = Roles({"discriminator": unet, "composite": Learned(width=1), "input": Full()})
    before = roles.checksums()
    assert before.keys() == {"discriminator"}  # learned is saved with the run, and full has no weights
    with torch.no_grad():
        next(reversed(list(unet.parameters()))).flatten()[-1] += 1e-3
    assert roles.checksums() != before
