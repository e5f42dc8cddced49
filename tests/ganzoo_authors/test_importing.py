"""Importing the authors' files: the same outputs as plain code through the same weights; wrong files are one line."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from authors import unit_decode, unit_encode
from calls import Run
from layouts import (
    munit_domain,
    munit_translate,
    patch,
    resnet,
    resnet_forward,
    smooth_resnet,
    smooth_resnet_forward,
    unet,
    unet_forward,
)
from torch import Tensor

import ganzoo


def save(file: Path, state: Any) -> Path:
    torch.save(state, file)
    return file


def picture(height: int = 32, width: int = 40, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def imported(run: Run, out: Path, layout: str, *files: Path) -> str:
    code, said, err = run("import", *files, "--from", layout, "-o", out)
    assert (code, err) == (0, ""), err
    return said


def test_cyclegan_and_its_legacy_keys(run: Run, tmp_path: Path) -> None:
    there = resnet()
    old = OrderedDict({f"module.{name}": one for name, one in there.items()})
    old |= {"module.model.2.running_mean": torch.zeros(4), "module.model.2.num_batches_tracked": torch.tensor(1)}
    back = {name: -one for name, one in resnet(blocks=3).items()}
    files = [save(tmp_path / "latest_net_G_A.pth", old), save(tmp_path / "latest_net_G_B.pth", back)]
    files += [save(tmp_path / "latest_net_D_A.pth", patch()), save(tmp_path / "7_net_D_B.pth", patch(width=6))]
    said = imported(run, tmp_path / "run", "cyclegan", *files)
    assert "G_AB  generator resnet: 3 → 3 channels, width 4, blocks 2, norm instance, dropout False" in said
    assert "D_B   discriminator patch: 3 channels, width 4, layers 3, norm instance" in said  # there D_A judges B
    loaded = ganzoo.load(tmp_path / "run")
    torch.testing.assert_close(loaded.translate(picture()), resnet_forward(there, picture()), rtol=1e-4, atol=1e-5)
    made = loaded.translate(picture(), "BA")
    torch.testing.assert_close(made, resnet_forward(back, picture(), blocks=3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["cyclegan", "art2real"])
def test_one_generator_translates_one_way(run: Run, tmp_path: Path, layout: str) -> None:
    state = resnet(channels=(1, 3))
    imported(run, tmp_path / "run", layout, save(tmp_path / "latest_net_G.pth", state))
    loaded = ganzoo.load(tmp_path / "run")
    made = loaded.translate(picture(channels=1))
    torch.testing.assert_close(made, resnet_forward(state, picture(channels=1)), rtol=1e-4, atol=1e-5)
    code, _, err = run("translate", tmp_path / "run", "x.png", "-o", tmp_path, "--direction", "BA")
    assert code == 2 and "the method has: AB" in err


def test_pix2pix(run: Run, tmp_path: Path) -> None:
    state = unet()
    files = [save(tmp_path / "latest_net_G.pth", state), save(tmp_path / "latest_net_D.pth", patch(entering=6))]
    said = imported(run, tmp_path / "run", "pix2pix", *files)
    assert "G_AB  generator unet: 3 → 3 channels, width 4, levels 3, norm batch" in said
    made = ganzoo.load(tmp_path / "run").translate(picture())
    torch.testing.assert_close(made, unet_forward(state, picture()), rtol=1e-4, atol=1e-5)


def test_cut(run: Run, tmp_path: Path) -> None:
    state = smooth_resnet()
    said = imported(run, tmp_path / "run", "cut", save(tmp_path / "latest_net_G.pth", state))
    assert "G_AB  generator smooth_resnet: 3 → 3 channels, width 4, blocks 9" in said
    made = ganzoo.load(tmp_path / "run").translate(picture())
    torch.testing.assert_close(made, smooth_resnet_forward(state, picture()), rtol=1e-4, atol=5e-5)


def test_munit_in_a_given_style(run: Run, tmp_path: Path) -> None:
    a, b = munit_domain(0), munit_domain(1, channels=5)
    said = imported(run, tmp_path / "run", "munit", save(tmp_path / "gen_00010000.pt", {"a": a, "b": b}))
    assert "G_B   generator munit: 5 → 5 channels, width 4, downs 2, blocks 4, style 8, hidden 12" in said
    loaded, style = ganzoo.load(tmp_path / "run"), torch.randn(1, 8)
    made = loaded.step_of(picture(), "AB", style=style)["translated"]
    torch.testing.assert_close(made, munit_translate(a, b, picture(), style), rtol=1e-4, atol=1e-5)


def test_unit(run: Run, tmp_path: Path) -> None:
    a, b = munit_domain(0, styled=False), munit_domain(1, styled=False)
    imported(run, tmp_path / "run", "unit", save(tmp_path / "gen.pt", {"a": a, "b": b}))
    made = ganzoo.load(tmp_path / "run").translate(picture(), "BA")
    torch.testing.assert_close(made, unit_decode(a, unit_encode(b, picture())), rtol=1e-4, atol=1e-5)


class Strange:
    """What no file may bring in."""


@pytest.mark.parametrize(
    ("name", "made", "layout", "said"),
    [
        ("latest_net_G_A.pth", None, "cyclegan", "latest_net_G_A.pth: no such file"),
        ("latest_net_G_A.pth", Strange(), "cyclegan", "no state dict of tensors alone: it is cut short, no checkpoint"),
        ("latest_net_G_A.pth", {"x": 1}, "cyclegan", "no state dict, which holds named tensors and nothing else"),
        ("latest_net_G_A.pth", patch(), "cyclegan", "by its name a generator, and in it is the discriminator patch"),
        ("latest_net_G_A.pth", {"a": torch.ones(1)}, "cut", "and in it is no network of this layout"),
        ("weights.pth", resnet(), "cyclegan", "the name does not say which network it holds; cyclegan writes latest_"),
        ("latest_net_D_A.pth", patch(), "cyclegan", "no generator is among them; it is what translates"),
        ("latest_net_G_B.pth", resnet(), "cyclegan", "G_B alone, from B to A: rename it to latest_net_G_A.pth"),
        ("gen.pt", {"a": munit_domain(0)}, "munit", "munit: the generators of both domains are needed; there is only"),
        ("gen.pt", {"a": munit_domain(0), "b": resnet()}, "munit", "munit has {'a': …, 'b': …} there"),
        ("gen.pt", {"a": munit_domain(0), "b": munit_domain(1)}, "unit", "unit has {'a': …, 'b': …} there"),
        ("latest_net_G.pth", {k: v for k, v in resnet().items() if k != "model.4.bias"}, "cut", "model.4.bias is"),
    ],
)
def test_wrong_files_are_one_line(run: Run, tmp_path: Path, name: str, made: Any, layout: str, said: str) -> None:
    file = tmp_path / name if made is None else save(tmp_path / name, made)
    code, _, err = run("import", file, "--from", layout, "-o", tmp_path / "run")
    assert code == 2
    assert said in err and err.startswith("ganzoo: ") and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / ".run.new").exists()


def test_a_file_that_is_cut_short_and_a_folder_that_is_there(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "latest_net_G.pth", resnet())
    imported(run, tmp_path / "run", "cyclegan", file)
    assert (
        "it is there already; choose another place with -o"
        in run("import", file, "--from", "cut", "-o", tmp_path / "run")[2]
    )
    file.write_bytes(file.read_bytes()[:1000])
    assert "it is cut short" in run("import", file, "--from", "cyclegan", "-o", tmp_path / "other")[2]
