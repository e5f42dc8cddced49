"""What a file contains counts first: wrappers, norms of weights, options that do not fit, other people's code."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.utils import parametrizations

import ganzoo
from ganzoo import create
from ganzoo_authors.weight_norms import fold_weight_norms
from tests.support.author_checkpoints import (
    State,
    drawn,
    munit_domain,
    patch,
    resnet,
    resnet_forward,
    smooth_resnet,
    unet,
)
from tests.support.command_line import Run


def save(file: Path, state: Any) -> Path:
    torch.save(state, file)
    return file


def image(channels: int = 3) -> Tensor:
    return torch.rand(1, channels, 32, 40, generator=torch.Generator().manual_seed(1)) * 2 - 1


def imported(run: Run, out: Path, layout: str, *files: Path) -> str:
    code, message, err = run("import", *files, "--from", layout, "-o", out)
    assert (code, err) == (0, ""), err
    return message


def refused(run: Run, out: Path, layout: str, *files: Path, code: int = 2) -> str:
    ended, _, err = run("import", *files, "--from", layout, "-o", out)
    assert ended == code and err.startswith("ganzoo: ") and len(err.splitlines()) == 1, err
    assert not out.exists()
    return err


def same(made: Tensor, plain: Tensor) -> None:
    torch.testing.assert_close(made, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state},
        lambda state: {"epoch": 3, "model": {"state_dict": state}, "name": "x"},
        lambda state: {"netG": state, "optimizer": {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": [{}]}},
    ],
)
def test_a_wrapped_state_dict_is_found(run: Run, tmp_path: Path, wrap: Any) -> None:
    state = resnet()
    imported(run, tmp_path / "run", "cyclegan", save(tmp_path / "latest_net_G.pth", wrap(state)))
    same(ganzoo.load(tmp_path / "run").translate(image()), resnet_forward(state, image()))


def test_networks_of_one_file_are_told_apart_by_their_names(run: Run, tmp_path: Path) -> None:
    there, back = resnet(), {name: -one for name, one in resnet(blocks=3).items()}
    parts = {"Gab": there, "Gba": back, "Da": patch(), "Db": patch(6), "epoch": 1, "G_optimizer": {"param_groups": []}}
    message = imported(run, tmp_path / "run", "cyclegan", save(tmp_path / "latest.ckpt", parts))
    assert "D_B   discriminator patch: 3 channels, width 6" in message  # there Db sees images of B
    loaded = ganzoo.load(tmp_path / "run")
    same(loaded.translate(image()), resnet_forward(there, image()))
    same(loaded.translate(image(), "BA"), resnet_forward(back, image(), blocks=3))


def test_the_names_of_small_projects_and_a_single_file_of_any_name(run: Run, tmp_path: Path) -> None:
    files = [save(tmp_path / f"netG_{name}.pth", resnet()) for name in ("A2B", "B2A")]
    message = imported(run, tmp_path / "both", "cyclegan", *files, save(tmp_path / "netD_A.pth", patch(6)))
    assert "D_A   discriminator patch: 3 channels, width 6" in message and "G_BA" in message
    imported(run, tmp_path / "one", "cyclegan", save(tmp_path / "horse2zebra.pth", resnet()))
    two = [save(tmp_path / f"{name}.pth", resnet()) for name in ("one", "two")]
    error = refused(run, tmp_path / "two", "cyclegan", *two)
    assert "one.pth: it contains the generator resnet, but the name does not say which one; rename it as" in error


def without_biases(state: State, keep: str) -> State:
    return {name: one for name, one in state.items() if not name.endswith(".bias") or name.startswith(keep)}


def test_norm_none_has_no_biases_in_their_code(run: Run, tmp_path: Path) -> None:
    network = create("generator", "resnet", 3, 3, width=4, blocks=1, norm="none").eval()
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.weight *= 3
    state = without_biases(network.state_dict(), "model.18")
    message = imported(run, tmp_path / "run", "cyclegan", save(tmp_path / "latest_net_G.pth", state))
    assert "norm none" in message
    same(ganzoo.load(tmp_path / "run").translate(image()), network(image()).detach())
    discriminator = without_biases(create("discriminator", "patch", 3, width=4, norm="none").state_dict(), "model.0")
    discriminator["model.11.bias"] = torch.ones(1)
    files = [tmp_path / "latest_net_G.pth", save(tmp_path / "latest_net_D.pth", discriminator)]
    assert "discriminator patch: 3 channels, width 4, layers 3, norm none" in imported(
        run, tmp_path / "d", "cut", *files
    )
    u_net = create("generator", "unet", 3, 3, width=4, levels=3, norm="none")
    state = without_biases(u_net.state_dict(), "model.model.3")
    assert "norm none" in imported(run, tmp_path / "u", "pix2pix", save(tmp_path / "latest_net_G.pth", state))


def test_biases_before_a_batch_norm_are_moved(run: Run, tmp_path: Path) -> None:
    network = create("generator", "resnet", 3, 3, width=4, blocks=1, norm="batch").eval()
    plain = create("generator", "resnet", 3, 3, width=4, blocks=1, norm="batch").eval()
    drawn = torch.Generator().manual_seed(2)
    state = {name: torch.rand(one.shape, generator=drawn) if one.is_floating_point() else one
             for name, one in network.state_dict().items()}  # fmt: skip
    plain.load_state_dict(state)
    bias = torch.randn(4, generator=drawn)
    plain.model[1].bias = nn.Parameter(bias)
    file = save(tmp_path / "latest_net_G.pth", {**state, "model.1.bias": bias})
    assert "norm batch, dropout False; biases before norms moved" in imported(run, tmp_path / "run", "cyclegan", file)
    same(ganzoo.load(tmp_path / "run").translate(image()), plain(image()).detach())


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, parametrizations.spectral_norm, parametrizations.weight_norm])
def test_spectral_and_weight_norm_are_multiplied_in(run: Run, tmp_path: Path, norm: Any) -> None:
    network = create("generator", "resnet", 3, 3, width=4, blocks=1)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, std=0.2)
            norm(layer)
    network.train()(image())
    expected = network.eval()(image()).detach()
    file = save(tmp_path / "latest_net_G.pth", network.state_dict())
    message = imported(run, tmp_path / "run", "cyclegan", file)
    assert "spectral norm or weight norm multiplied into the weights" in message
    same(ganzoo.load(tmp_path / "run").translate(image()), expected)


def test_the_axis_of_a_spectral_norm_is_told_apart_in_a_square_transposed_convolution() -> None:
    layer = nn.utils.spectral_norm(nn.ConvTranspose2d(4, 4, 3))
    for _ in range(30):
        layer(torch.ones(1, 4, 5, 5))
    expected = layer.eval()(torch.ones(1, 4, 5, 5))
    folded = fold_weight_norms({f"c.{name}": one for name, one in layer.state_dict().items()})
    assert sorted(folded) == ["c.bias", "c.weight"]
    same(nn.functional.conv_transpose2d(torch.ones(1, 4, 5, 5), folded["c.weight"], folded["c.bias"]), expected)


def affine(state: State, layer: str, width: int) -> State:
    return {**state, f"{layer}.weight": torch.ones(width), f"{layer}.bias": torch.ones(width)}


def one_sided(state: State) -> State:
    """CUT's network with plain upsampling: the last three convolutions come one and two layers earlier."""
    moved = {"model.22": "model.21", "model.26": "model.24", "model.30": "model.28"}
    found = {}
    for name, one in state.items():
        layer, _, what = name.rpartition(".")
        found[f"{moved.get(layer, layer)}.{what}"] = one
    return found


def deep_resnet() -> State:
    """A ResNet that halves the size four times."""
    halvings = {f"model.{1 + 3 * i}": (2**i, max(1, 2 ** (i - 1)), 3, 3) for i in range(5)}
    blocks = {f"model.16.conv_block.{j}": (16, 16, 3, 3) for j in (1, 5)}
    return drawn({**halvings, **blocks, **{f"model.{17 + 3 * i}": (8, 8, 3, 3) for i in range(5)}})


@pytest.mark.parametrize(
    ("name", "state", "layout", "message"),
    [
        ("latest_net_G", affine(resnet(), "model.2", 4), "cyclegan", "with instance norm with learned scale and shift"),
        ("latest_net_D", affine(patch(), "model.3", 8), "cut", "discriminator patch, but with instance norm with"),
        ("latest_net_G", one_sided(smooth_resnet()), "cut", "anti-aliased resampling on one side only (CUT's --no_ant"),
        ("latest_net_G", deep_resnet(), "cyclegan", "with 4 downsampling layers, and ganzoo's resnet has 2"),
        ("gen", {"a": munit_domain(0), "b": munit_domain(1)}, "unit", "this is MUNIT's; import it --from munit"),
        (
            "gen",
            {"a": munit_domain(0, styled=False), "b": munit_domain(1, styled=False)},
            "munit",
            "this is UNIT's; import it --from unit",
        ),
        (
            "latest_net_G",
            {"a": munit_domain(0, styled=False), "b": munit_domain(1, styled=False)},
            "cyclegan",
            "contains the generator unit: this is UNIT's; import it --from unit",
        ),
        ("gen", resnet(), "munit", "the generator resnet: this is CycleGAN's or pix2pix's; import it --from cyclegan"),
        ("x", smooth_resnet(), "cyclegan", "the generator smooth_resnet: this is CUT's; import it --from cut"),
        (
            "netG_A2B",
            {"mask_model.weight": torch.ones(3, 6, 1, 1), "x": torch.ones(1)},
            "cyclegan",
            "this is Mask CycleGAN's; import it --from mask_cgan",
        ),
        ("x", {"enc_c": {"convA.0.weight": torch.ones(1)}, "epoch": 1}, "munit", "this is DRIT's, which import does"),
        (
            "x",
            {"conv1.weight": torch.ones(8, 3, 4, 4), "conv1.bias": torch.ones(8)},
            "pix2pix",
            "an unknown network: found conv1.weight 8×3×4×4, conv1.bias 8 (2 keys), expected model.1.weight (resnet), ",
        ),
        (
            "gen",
            {"a": {**munit_domain(0), "enc_content.model.0.activation.weight": torch.ones(1)}, "b": munit_domain(1)},
            "munit",
            "with activ: prelu, and ganzoo's networks have a ReLU with a fixed slope",
        ),
        ("x", {"epoch": 3, "args": "y"}, "cut", "and nothing else; it contains epoch (a int), args (a str)"),
        ("x", [torch.ones(1)], "cut", "and nothing else; it is a list"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(run: Run, tmp_path: Path, name: str, state: Any, layout: str, message: str) -> None:
    files = [save(tmp_path / f"{name}.pth", state)]
    if name.startswith("latest_net_D"):
        files.append(save(tmp_path / "latest_net_G.pth", resnet()))
    assert message in refused(run, tmp_path / "run", layout, *files)


def test_names_in_a_file_are_printed_on_one_line(run: Run, tmp_path: Path) -> None:
    name = "a\n\x1b[31m" + "b" * 200
    file = save(tmp_path / "x.pth", {name: torch.ones(1)})
    error = refused(run, tmp_path / "run", "cyclegan", file)
    assert "found a??[31mbbb" in error and len(error) < 500
    assert "a??[31mb" in refused(run, tmp_path / "run", "cyclegan", save(tmp_path / "y.pth", {name: 3}))
    parts = {name: {"y": torch.ones(1)}, "second": {"z": torch.ones(1)}}
    assert "a??[31mb" in refused(run, tmp_path / "run", "munit", save(tmp_path / "z.pth", parts))
    more = {**resnet(), name: torch.ones(1)}
    assert "a??[31mb" in refused(run, tmp_path / "run", "cyclegan", save(tmp_path / "net_G.pth", more))


def test_safetensors(run: Run, tmp_path: Path) -> None:
    save_file(resnet(), tmp_path / "latest_net_G.safetensors")
    imported(run, tmp_path / "run", "cyclegan", tmp_path / "latest_net_G.safetensors")
    same(ganzoo.load(tmp_path / "run").translate(image()), resnet_forward(resnet(), image()))
    (tmp_path / "broken.safetensors").write_bytes(b"x")
    assert "the file is truncated" in refused(run, tmp_path / "b", "cyclegan", tmp_path / "broken.safetensors")


def test_other_files_are_named(run: Run, tmp_path: Path) -> None:
    """What a failed download leaves, and archives that are no checkpoints."""
    page, pointer, archive, program = (tmp_path / f"{name}.pth" for name in ("page", "lfs", "zip", "script"))
    page.write_text("<!DOCTYPE html><html>Quota exceeded</html>")
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("latest_net_G.pth", "x")
    torch.jit.save(torch.jit.trace(nn.Conv2d(3, 3, 1), torch.ones(1, 3, 4, 4)), program)
    for file, what in {
        page: "it is a web page: the download failed",
        pointer: "it is a pointer of Git LFS",
        archive: "it is a zip archive of other files; unpack it first",
        program: "it is a TorchScript program; save the network's state_dict() instead",
    }.items():
        assert what in refused(run, tmp_path / "run", "cyclegan", file)


@pytest.mark.parametrize("layout", ["cyclegan", "munit", "mask_cgan"])
def test_a_missing_file_is_a_missing_file_whatever_its_name(run: Run, tmp_path: Path, layout: str) -> None:
    error = refused(run, tmp_path / "run", layout, tmp_path / "no/such.pth", code=5)
    assert error == f"ganzoo: {tmp_path}/no/such.pth: no such file\n"


def test_a_folder_lists_what_is_in_it(run: Run, tmp_path: Path) -> None:
    save(tmp_path / "latest_net_G.pth", unet())
    error = refused(run, tmp_path / "run", "pix2pix", tmp_path)
    assert "a folder; give the files of its networks (it contains latest_net_G.pth)" in error
