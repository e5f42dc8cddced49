"""Importing the authors' files: the same outputs as plain code through the same weights; wrong files are one line."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

import ganzoo
from ganzoo import create
from ganzoo.engine.checkpoint import load_network
from tests.support.author_checkpoints import (
    State,
    multiscale,
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
from tests.support.author_networks import Config, munit_discriminator, munit_style, unit_decode, unit_encode
from tests.support.command_line import Run


def save(file: Path, state: Any) -> Path:
    torch.save(state, file)
    return file


def random_image(height: int = 32, width: int = 40, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1


def imported(run: Run, out: Path, layout: str, *files: Path) -> str:
    code, message, err = run("import", *files, "--from", layout, "-o", out, "--size", 32)
    assert (code, err) == (0, ""), err
    return message


def test_cyclegan_and_its_legacy_keys(run: Run, tmp_path: Path) -> None:
    there = resnet()
    old = OrderedDict({f"module.{name}": one for name, one in there.items()})
    old |= {"module.model.2.running_mean": torch.zeros(4), "module.model.2.num_batches_tracked": torch.tensor(1)}
    back = {name: -one for name, one in resnet(blocks=3).items()}
    files = [save(tmp_path / "latest_net_G_A.pth", old), save(tmp_path / "latest_net_G_B.pth", back)]
    files += [save(tmp_path / "latest_net_D_A.pth", patch()), save(tmp_path / "7_net_D_B.pth", patch(width=6))]
    message = imported(run, tmp_path / "run", "cyclegan", *files)
    assert "G_AB  generator resnet: 3 → 3 channels, width 4, blocks 2, norm instance, dropout False" in message
    assert "D_B   discriminator patch: 3 channels, width 4, layers 3, norm instance" in message  # there D_A sees B
    loaded = ganzoo.load(tmp_path / "run")
    torch.testing.assert_close(
        loaded.translate(random_image()), resnet_forward(there, random_image()), rtol=1e-4, atol=1e-5
    )
    made = loaded.translate(random_image(), "BA")
    torch.testing.assert_close(made, resnet_forward(back, random_image(), blocks=3), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", ["cyclegan", "art2real"])
def test_one_generator_translates_one_way(run: Run, tmp_path: Path, layout: str) -> None:
    state = resnet(channels=(1, 3))
    imported(run, tmp_path / "run", layout, save(tmp_path / "latest_net_G.pth", state))
    loaded = ganzoo.load(tmp_path / "run")
    made = loaded.translate(random_image(channels=1))
    torch.testing.assert_close(made, resnet_forward(state, random_image(channels=1)), rtol=1e-4, atol=1e-5)
    code, _, err = run("translate", tmp_path / "run", "x.png", "-o", tmp_path, "--direction", "BA")
    assert code == 2 and "the method has: AB" in err


def test_pix2pix(run: Run, tmp_path: Path) -> None:
    state = unet()
    files = [save(tmp_path / "latest_net_G.pth", state), save(tmp_path / "latest_net_D.pth", patch(in_channels=6))]
    message = imported(run, tmp_path / "run", "pix2pix", *files)
    assert "G_AB  generator unet: 3 → 3 channels, width 4, levels 3, norm batch" in message
    made = ganzoo.load(tmp_path / "run").translate(random_image())
    torch.testing.assert_close(made, unet_forward(state, random_image()), rtol=1e-4, atol=1e-5)


def test_cut(run: Run, tmp_path: Path) -> None:
    state = smooth_resnet()
    message = imported(run, tmp_path / "run", "cut", save(tmp_path / "latest_net_G.pth", state))
    assert "G_AB  generator smooth_resnet: 3 → 3 channels, width 4, blocks 9" in message
    made = ganzoo.load(tmp_path / "run").translate(random_image())
    torch.testing.assert_close(made, smooth_resnet_forward(state, random_image()), rtol=1e-4, atol=5e-5)


def test_munit_with_a_style(run: Run, tmp_path: Path) -> None:
    a, b = munit_domain(0), munit_domain(1, channels=5)
    message = imported(run, tmp_path / "run", "munit", save(tmp_path / "gen_00010000.pt", {"a": a, "b": b}))
    assert "G_B   generator munit: 5 → 5 channels, width 4, downs 2, blocks 4, style 8, hidden 12" in message
    loaded, style = ganzoo.load(tmp_path / "run"), torch.randn(1, 8)
    made = loaded.translate_step(random_image(), "AB", style=style)["translated"]
    torch.testing.assert_close(made, munit_translate(a, b, random_image(), style), rtol=1e-4, atol=1e-5)
    to_pixels = Image.fromarray(((random_image()[0].movedim(0, 2) + 1) * 127.5).round().to(torch.uint8).numpy())
    labels = loaded.translate(to_pixels, "AB")  # five channels are a label map
    assert labels.mode == "P" and labels.size == (40, 32)
    assert loaded.translate(labels, "BA").mode == "RGB"


def lacking(state: State, *starts: str) -> State:
    return {name: one for name, one in state.items() if not name.startswith(starts)}


def test_discriminators_are_imported_too(run: Run, tmp_path: Path) -> None:
    """Translating does not need them."""
    domains = {"a": munit_domain(0), "b": munit_domain(1)}
    files = [save(tmp_path / "gen.pt", domains), save(tmp_path / "dis.pt", {"a": multiscale(), "b": multiscale()})]
    message = imported(run, tmp_path / "run", "munit", *files)
    assert "D_A   discriminator multiscale: 3 channels, width 4, layers 4, scales 3" in message
    made = create("discriminator", "multiscale", 3, width=4)
    load_network(made, tmp_path / "run/checkpoints/last/networks/D_A.safetensors")
    for mine, theirs in zip(
        made(random_image(64, 64)), munit_discriminator(multiscale(), random_image(64, 64)), strict=True
    ):
        torch.testing.assert_close(mine, theirs)


@pytest.mark.parametrize(
    ("state", "layout", "message"),
    [
        (lacking(patch(), "model.5.bias"), "cyclegan", "its shapes do not fit a patch: model.5.bias is missing"),
        (patch(in_channels=4), "cyclegan", "4 input channels, but 3 according to the other files"),
        (patch(), "pix2pix", "3 input channels, but 6 according to the other files"),
    ],
)
def test_discriminators_that_do_not_fit(run: Run, tmp_path: Path, state: State, layout: str, message: str) -> None:
    generator = save(tmp_path / "latest_net_G.pth", resnet())
    discriminator_file = save(tmp_path / "latest_net_D.pth", state)
    code, _, err = run("import", generator, discriminator_file, "--from", layout, "-o", tmp_path / "run")
    assert code == 2 and err.startswith(f"ganzoo: {discriminator_file}: {message}")
    other = save(tmp_path / "latest_net_D_B.pth", patch())
    assert "a discriminator without its generator" in run("import", generator, other, "--from", "cut", "-o", "x")[2]


@pytest.mark.parametrize("options", [{"norm": "batch", "dropout": True}, {"blocks": 6}])
def test_other_resnets(run: Run, tmp_path: Path, options: dict[str, Any]) -> None:
    """As published networks vary; without the counts of batches, which old files lack."""
    network = create("generator", "resnet", 3, 3, **{"width": 4, "blocks": 2, **options}).eval()
    state = {name: one for name, one in network.state_dict().items() if "num_batches" not in name}
    imported(run, tmp_path / "run", "cyclegan", save(tmp_path / "latest_net_G.pth", state))
    made = ganzoo.load(tmp_path / "run").translate(random_image())
    torch.testing.assert_close(made, network(random_image()).detach())


@pytest.mark.parametrize(("name", "options"), [("pixel", {"norm": "batch"}), ("smooth_patch", {"layers": 2})])
def test_other_discriminators(run: Run, tmp_path: Path, name: str, options: dict[str, Any]) -> None:
    network = create("discriminator", name, 3, width=4, **options)
    files = [save(tmp_path / "latest_net_G.pth", resnet()), save(tmp_path / "latest_net_D.pth", network.state_dict())]
    assert f"D_B   discriminator {name}: 3 channels, width 4" in imported(run, tmp_path / "run", "cut", *files)


def test_unit(run: Run, tmp_path: Path) -> None:
    a, b = munit_domain(0, styled=False), munit_domain(1, styled=False)
    imported(run, tmp_path / "run", "unit", save(tmp_path / "gen.pt", {"a": a, "b": b}))
    assert ganzoo.load(tmp_path / "run").recipe.images.filter == "bilinear"
    made = ganzoo.load(tmp_path / "run").translate(random_image(), "BA")
    torch.testing.assert_close(made, unit_decode(a, unit_encode(b, random_image())), rtol=1e-4, atol=1e-5)


class Strange:
    """What no file may bring in."""


@pytest.mark.parametrize(
    ("name", "made", "layout", "message"),
    [
        ("latest_net_G_A.pth", None, "cyclegan", "latest_net_G_A.pth: no such file"),
        (
            "latest_net_G_A.pth",
            Strange(),
            "cyclegan",
            "it contains an object of tests.ganzoo_authors.test_import_run.Strange, and reading one would execute",
        ),
        ("latest_net_G_A.pth", {"x": 1}, "cyclegan", "not a state dict, which contains named tensors and nothing else"),
        (
            "latest_net_G_A.pth",
            {0: torch.ones(1)},
            "cyclegan",
            "not a state dict, which contains named tensors and nothing else",
        ),
        (
            "latest_net_G_A.pth",
            {"x": torch.eye(2).to_sparse()},
            "cut",
            "not a state dict, which contains named tensors",
        ),
        ("latest_net_G_A.pth", patch(), "cyclegan", "a generator of cyclegan, but it contains the discriminator patch"),
        ("latest_net_G_A.pth", {"a": torch.ones(1)}, "cut", "but it contains an unknown network"),
        ("latest_net_G_A.pth", smooth_resnet(blocks=1), "art2real", "but it contains the generator smooth_resnet"),
        ("latest_net_F.pth", patch(), "cut", "is not needed to translate; leave this file out"),
        ("latest_net_G.pth", lacking(unet(), "model.model.3.weight"), "pix2pix", "a damaged checkpoint of pix2pix"),
        (
            "latest_net_D.pth",
            lacking(patch(), "model.2", "model.5", "model.8", "model.11"),
            "cut",
            "a damaged checkpoint",
        ),
        (
            "gen.pt",
            {"a": lacking(munit_domain(0), "dec.model.5"), "b": munit_domain(1)},
            "munit",
            "a damaged checkpoint",
        ),
        (
            "weights.pth",
            patch(),
            "cyclegan",
            "it contains the discriminator patch, but the name does not say which one; rename it",
        ),
        ("latest_net_D_A.pth", patch(), "cyclegan", "no generator among these files; translating needs one"),
        ("latest_net_G_B.pth", resnet(), "cyclegan", "only G_B, from B to A: rename its file to latest_net_G_A.pth"),
        (
            "gen.pt",
            {"a": munit_domain(0)},
            "munit",
            "munit: the generators of both domains are needed",
        ),
        (
            "gen.pt",
            {"a": munit_domain(0), "b": resnet()},
            "munit",
            "state dicts of networks, as munit writes",
        ),
        (
            "gen.pt",
            {"a": munit_domain(0), "b": munit_domain(1)},
            "unit",
            "state dicts of networks, as unit writes",
        ),
        ("latest_net_G.pth", lacking(resnet(), "model.4.bias"), "cut", "model.4.bias is missing, expected (8,)"),
    ],
)
def test_wrong_files_are_one_line(run: Run, tmp_path: Path, name: str, made: Any, layout: str, message: str) -> None:
    file = tmp_path / name if made is None else save(tmp_path / name, made)
    code, _, err = run("import", file, "--from", layout, "-o", tmp_path / "run")
    assert code == (5 if "no such file" in message else 2)
    assert message in err and err.startswith("ganzoo: ") and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / ".run.new").exists()


def test_a_truncated_file_and_an_existing_folder(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "latest_net_G.pth", resnet())
    imported(run, tmp_path / "run", "cyclegan", file)
    assert (
        "it exists already; choose another folder with -o"
        in run("import", file, "--from", "cut", "-o", tmp_path / "run")[2]
    )
    file.write_bytes(file.read_bytes()[:1000])
    assert "the file is truncated" in run("import", file, "--from", "cyclegan", "-o", tmp_path / "other")[2]


TRAINED = [Config("zero"), Config("replicate", 0.2), Config("reflect", 0.2)]


@pytest.mark.parametrize("config", TRAINED, ids=lambda one: f"{one.pad}-{one.slope}")
def test_munit_and_unit_of_other_configurations(run: Run, tmp_path: Path, config: Config) -> None:
    """The files do not show padding and activation: options say them, and the summary says what was assumed."""
    words = ["--padding", config.pad, "--activation", "lrelu" if config.slope else "relu"]
    a, b, style = munit_domain(0), munit_domain(1), torch.randn(1, 8, generator=torch.Generator().manual_seed(2))
    files = [save(tmp_path / "gen.pt", {"a": a, "b": b}), save(tmp_path / "dis.pt", {"a": multiscale()})]
    code, message, err = run("import", *files, "--from", "munit", "-o", tmp_path / "munit", *words)
    assert (code, err) == (0, "")
    assumed = f"assumed: trained at 256 pixels (--size), pad_type {config.pad} (--padding), activ {words[-1]} (--activ"
    assert assumed in message
    loaded = ganzoo.load(tmp_path / "munit")
    made = loaded.translate_step(random_image(), "AB", style=style)["translated"]
    torch.testing.assert_close(made, munit_translate(a, b, random_image(), style, config), rtol=1e-4, atol=1e-5)
    assert (made - munit_translate(a, b, random_image(), style)).abs().max() > 0.1
    own_style = loaded.method.style_of(random_image(), "A")
    torch.testing.assert_close(own_style, munit_style(a, random_image(), config), rtol=1e-4, atol=1e-5)
    discriminator = create("discriminator", "multiscale", 3, width=4, padding=config.pad)
    load_network(discriminator, tmp_path / "munit/checkpoints/last/networks/D_A.safetensors")
    plain = munit_discriminator(multiscale(), random_image(64, 64), config)
    for mine, theirs in zip(discriminator(random_image(64, 64)), plain, strict=True):
        torch.testing.assert_close(mine, theirs)
    assert f"padding: {config.pad}" in (tmp_path / "munit/resolved.yaml").read_text()

    a, b = munit_domain(0, styled=False), munit_domain(1, styled=False)
    file = save(tmp_path / "gen.pt", {"a": a, "b": b})
    assert run("import", file, "--from", "unit", "-o", tmp_path / "unit", *words)[0] == 0
    made = ganzoo.load(tmp_path / "unit").translate(random_image(), "BA")
    plain_made = unit_decode(a, unit_encode(b, random_image(), config), config)
    torch.testing.assert_close(made, plain_made, rtol=1e-4, atol=1e-5)


def test_what_other_files_do_not_show(run: Run, tmp_path: Path) -> None:
    """pix2pix has dropout by default, which counts with as_trained and in further training; the size is a note."""
    file = save(tmp_path / "latest_net_G.pth", unet())
    assert "dropout True" in imported(run, tmp_path / "one", "pix2pix", file)
    code, message, _ = run("import", file, "--from", "pix2pix", "-o", tmp_path / "two", "--no-dropout", "--size", "128")
    assert code == 0 and "dropout False" in message
    assert "trained at 128 pixels (--size), without dropout (--dropout, --no-dropout)" in message
    assert "size: 128" in (tmp_path / "two/resolved.yaml").read_text()
    assert "dropout False" in imported(run, tmp_path / "three", "cyclegan", file)


def test_options_that_nothing_would_read_are_refused(run: Run, tmp_path: Path) -> None:
    file, out = save(tmp_path / "latest_net_G.pth", resnet()), tmp_path / "run"
    words = ("import", file, "--from", "cyclegan", "-o", out)
    assert "--padding: it is an option of --from munit and --from unit" in run(*words, "--padding", "zero")[2]
    assert "--activation: it is an option of" in run(*words, "--activation", "relu")[2]
    assert "--dropout: no U-Net among these files" in run(*words, "--no-dropout")[2]
    layout = ("import", file, "--layout", tmp_path / "layout.yaml", "-o", out, "--dropout")
    assert "--dropout: with --layout it stands in the layout's file" in run(*layout)[2]
    assert not out.exists()


CONFIG = (
    "gen: {activ: lrelu, pad_type: zero, dim: 64}\ndis: {norm: none, activ: lrelu, pad_type: replicate}\nlr: 1e-4\n"
)


@pytest.mark.parametrize("place", ["", "checkpoints"])
def test_the_configuration_beside_the_files_is_read(run: Run, tmp_path: Path, place: str) -> None:
    """As the authors' code writes it: outputs/NAME/config.yaml, outputs/NAME/checkpoints/gen_….pt."""
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / "config.yaml").write_text(CONFIG)
    a, b = munit_domain(0, styled=False), munit_domain(1, styled=False)
    files = [save(tmp_path / place / "gen_00000010.pt", {"a": a, "b": b})]
    files.append(save(tmp_path / place / "dis_00000010.pt", {"a": multiscale(), "b": multiscale()}))
    message = imported(run, tmp_path / "run", "unit", *files)
    assert f"as in {tmp_path}/config.yaml or given: pad_type zero (--padding), activ lrelu (--activation)" in message
    assert "slope 0.2" in message and "scales 3, padding replicate" in message
    made = ganzoo.load(tmp_path / "run").translate(random_image())
    config = Config("zero", 0.2)
    plain = unit_decode(b, unit_encode(a, random_image(), config), config)
    torch.testing.assert_close(made, plain, rtol=1e-4, atol=1e-5)
    code, message, _ = run("import", *files, "--from", "unit", "-o", tmp_path / "other", "--activation", "relu")
    assert code == 0 and "slope 0.0" in message and "pad_type zero (--padding), activ relu" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            CONFIG.replace("lrelu", "selu", 1),
            "config.yaml: gen.activ is 'selu', and ganzoo's networks have: relu, lrelu",
        ),
        (CONFIG.replace("none", "in"), "config.yaml: dis.norm is 'in', and ganzoo's networks have: none, sn"),
        (CONFIG.replace("zero", "[1]"), "config.yaml: gen.pad_type is [1]"),
        ("[1, 2]", ""),
        ("gen: 3", ""),
        ("a: [", ""),
    ],
)
def test_other_configurations(run: Run, tmp_path: Path, text: str, message: str) -> None:
    """What ganzoo's networks lack is named; a file that is none of MUNIT's counts as missing."""
    (tmp_path / "config.yaml").write_text(text)
    file = save(tmp_path / "gen.pt", {"a": munit_domain(0), "b": munit_domain(1)})
    code, out, err = run("import", file, "--from", "munit", "-o", tmp_path / "run")
    assert (
        (code == 2 and message in err and len(err.splitlines()) == 1) if message else (code == 0 and "assumed" in out)
    )
