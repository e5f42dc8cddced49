"""ganzoo import --layout: third-party U-Nets and ResNets by key patterns; the same outputs as plain code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
import yaml
from torch import Tensor, nn

import ganzoo
from tests.support.author_checkpoints import State, patch
from tests.support.command_line import Run
from tests.support.pages import ROOT, blocks


class FlatUNet(nn.Module):
    """A U-Net with batch norm as small repositories write it: flat names, biases everywhere, [up, skip] order."""

    def __init__(self, width: int = 4, levels: int = 4) -> None:
        super().__init__()
        self.levels = levels
        widths = [3, *(width * min(2**i, 8) for i in range(levels))]
        for i in range(1, levels + 1):
            self.add_module(f"conv{i}", nn.Conv2d(widths[i - 1], widths[i], 4, 2, 1))
            inputs = widths[i] if i == levels else 2 * widths[i]
            self.add_module(f"deconv{levels + 1 - i}", nn.ConvTranspose2d(inputs, widths[i - 1], 4, 2, 1))
            if 1 < i < levels:
                self.add_module(f"conv{i}_bn", nn.BatchNorm2d(widths[i]))
            if i > 1:
                self.add_module(f"deconv{levels + 1 - i}_bn", nn.BatchNorm2d(widths[i - 1]))

    def part(self, name: str, maps: Tensor) -> Tensor:
        maps = self.get_submodule(name)(maps)
        return self.get_submodule(f"{name}_bn")(maps) if hasattr(self, f"{name}_bn") else maps

    def forward(self, images: Tensor) -> Tensor:
        downs = [self.part("conv1", images)]
        for i in range(2, self.levels + 1):
            downs.append(self.part(f"conv{i}", F.leaky_relu(downs[-1], 0.2)))
        maps = downs.pop()
        for i in range(1, self.levels):
            maps = torch.cat([self.part(f"deconv{i}", maps.relu()), downs.pop()], 1)
        return self.part(f"deconv{self.levels}", maps.relu()).tanh()


U_NET: dict[str, Any] = {
    "generator": "unet",
    "up_first": True,
    "layers": {
        "down.{i}": "conv{i}",
        "down.{i}.norm": "conv{i}_bn",
        "up.{i}": "deconv{5-i}",
        "up.{i}.norm": "deconv{5-i}_bn",
    },
}


class NamedResNet(nn.Module):
    """A ResNet with batch norm, its stages as named sequences."""

    def __init__(self, width: int = 4, blocks: int = 2) -> None:
        super().__init__()

        def stage(name: str, conv: nn.Module, channels: int) -> nn.Sequential:
            return nn.Sequential(
                *([nn.ReflectionPad2d(3)] if name == "inc" else []), conv, nn.BatchNorm2d(channels), nn.ReLU()
            )

        self.inc = stage("inc", nn.Conv2d(3, width, 7, bias=False), width)
        self.down1 = stage("", nn.Conv2d(width, 2 * width, 3, 2, 1, bias=False), 2 * width)
        self.down2 = stage("", nn.Conv2d(2 * width, 4 * width, 3, 2, 1, bias=False), 4 * width)
        self.res = nn.ModuleList(
            nn.Sequential(
                nn.ReflectionPad2d(1),
                nn.Conv2d(4 * width, 4 * width, 3, bias=False),
                nn.BatchNorm2d(4 * width),
                nn.ReLU(),
                nn.ReflectionPad2d(1),
                nn.Conv2d(4 * width, 4 * width, 3, bias=False),
                nn.BatchNorm2d(4 * width),
            )
            for _ in range(blocks)
        )
        self.up1 = stage("", nn.ConvTranspose2d(4 * width, 2 * width, 3, 2, 1, 1, bias=False), 2 * width)
        self.up2 = stage("", nn.ConvTranspose2d(2 * width, width, 3, 2, 1, 1, bias=False), width)
        self.out = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7, bias=False), nn.Tanh())

    def forward(self, images: Tensor) -> Tensor:
        maps = self.down2(self.down1(self.inc(images)))
        for block in self.res:
            maps = maps + block(maps)
        made: Tensor = self.out(self.up2(self.up1(maps)))
        return made


RESNET: dict[str, Any] = {
    "generator": "resnet",
    "layers": {
        "first": "inc.1",
        "first.norm": "inc.2",
        "down.{i}": "down{i}.0",
        "down.{i}.norm": "down{i}.1",
        "block.{i}.first": "res.{i-1}.1",
        "block.{i}.first.norm": "res.{i-1}.2",
        "block.{i}.second": "res.{i-1}.5",
        "block.{i}.second.norm": "res.{i-1}.6",
        "up.{i}": "up{i}.0",
        "up.{i}.norm": "up{i}.1",
        "last": "out.1",
    },
}


def trained(network: nn.Module) -> nn.Module:
    """Return a network in evaluation mode, with drawn weights, biases and statistics."""
    drawn = torch.Generator().manual_seed(0)
    for name, one in network.state_dict().items():
        if one.is_floating_point():
            spread = torch.randn(one.shape, generator=drawn) * 0.3
            one.copy_(1 + spread.abs() if "running_var" in name else spread)
    return network.eval()


def image() -> Tensor:
    return torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1


def written(file: Path, content: Any) -> Path:
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def save(file: Path, state: Any) -> Path:
    torch.save(state, file)
    return file


def imported(run: Run, out: Path, layout: Path, *files: Path) -> str:
    code, message, err = run("import", *files, "--layout", layout, "-o", out)
    assert (code, err) == (0, ""), err
    return message


@pytest.mark.parametrize(("network", "entry"), [(FlatUNet(), U_NET), (NamedResNet(), RESNET)])
def test_a_network_of_other_code(run: Run, tmp_path: Path, network: nn.Module, entry: dict[str, Any]) -> None:
    state = trained(network).state_dict()
    layout = written(tmp_path / "layout.yaml", {"method": "pix2pix", "networks": {"G_AB": entry}})
    message = imported(run, tmp_path / "run", layout, save(tmp_path / "generator_200.pkl", state))
    assert f"G_AB  generator {entry['generator']}: 3 → 3 channels" in message and "norm batch" in message
    assert "assumed: trained at 256 pixels (--size), the same layers and options as in ganzoo's networks;" in message
    made = ganzoo.load(tmp_path / "run").translate(image())
    assert (network(image()).abs() < 0.99).float().mean() > 0.5
    torch.testing.assert_close(made, network(image()).detach(), rtol=1e-4, atol=1e-5)


def test_several_networks_in_one_file_by_prefix(run: Run, tmp_path: Path) -> None:
    there, back = trained(NamedResNet()), trained(NamedResNet(blocks=1))
    flat = {f"G_A.{name}": one for name, one in there.state_dict().items()}
    flat |= {f"G_B.{name}": one for name, one in back.state_dict().items()}
    flat |= {f"D.{name}": one for name, one in patch().items()} | {"vgg.weight": torch.ones(1)}
    convs = {f"layer.{i}": f"model.{at}" for i, at in enumerate((0, 2, 5, 8, 11), 1)}
    layout = written(
        tmp_path / "layout.yaml",
        {
            "networks": {
                "G_AB": {**RESNET, "prefix": "G_A."},
                "G_BA": {**RESNET, "prefix": "G_B."},
                "D_B": {"discriminator": "patch", "prefix": "D.", "layers": convs},
            },
            "ignore": ["vgg.*"],
        },
    )
    message = imported(run, tmp_path / "run", layout, save(tmp_path / "last.ckpt", {"state_dict": flat, "epoch": 9}))
    assert "D_B   discriminator patch: 3 channels, layers 3, norm instance, width 4" in message
    loaded = ganzoo.load(tmp_path / "run")
    for direction, network in (("AB", there), ("BA", back)):
        made = loaded.translate(image(), direction)
        torch.testing.assert_close(made, network(image()).detach(), rtol=1e-4, atol=1e-5)


def test_several_files_by_their_names(run: Run, tmp_path: Path) -> None:
    nets = {slot: {**U_NET, "file": f"*{slot}*"} for slot in ("G_AB", "G_BA")}
    layout = written(tmp_path / "layout.yaml", {"networks": nets})
    state = trained(FlatUNet()).state_dict()
    files = [save(tmp_path / f"net_{slot}.pt", state) for slot in nets]
    assert "G_BA" in imported(run, tmp_path / "run", layout, *files)
    code, _, err = run("import", files[0], "--layout", layout, "-o", tmp_path / "one")
    assert code == 2 and "networks.G_BA: none of the files fits its 'file' pattern" in err
    other = save(tmp_path / "other.pt", state)
    assert "has a 'file' pattern that fits its name" in run("import", other, "--layout", layout, "-o", "x")[2]


def without(entry: dict[str, Any], layer: str) -> dict[str, Any]:
    return {**entry, "layers": {name: key for name, key in entry["layers"].items() if name != layer}}


def affine(state: State) -> State:
    return {name: one for name, one in state.items() if "running" not in name and "num_batches" not in name}


STATE = trained(FlatUNet()).state_dict()


@pytest.mark.parametrize(
    ("content", "state", "message"),
    [
        ("a: [", STATE, "layout.yaml:1: --layout: not YAML"),
        ("[1]", STATE, "layout.yaml: --layout: not a mapping with 'networks'"),
        ({"network": {}}, STATE, "layout.yaml: unknown key 'network' (did you mean 'networks'?)"),
        ({"method": "unit"}, STATE, "layout.yaml: method is 'unit'"),
        ({"networks": []}, STATE, "networks is missing: networks: {G_AB:"),
        ({"networks": {"G": U_NET}}, STATE, "unknown key 'networks.G'"),
        ({"networks": {"G_AB": "unet"}}, STATE, "networks.G_AB: generator is None (there are: resnet, unet)"),
        ({"networks": {"G_AB": {"generator": "patch"}}}, STATE, "generator is 'patch'"),
        ({"networks": {"G_AB": {"generator": "unet", "layers": ["x"]}}}, STATE, "networks.G_AB.layers: a mapping of"),
        ({"networks": {"G_AB": {**U_NET, "depth": 3}}}, STATE, "unknown option 'depth'"),
        ({"networks": {"G_AB": {**U_NET, "upsample": "x"}}}, STATE, "networks.G_AB.upsample is 'x'"),
        ({"networks": {"G_AB": U_NET}, "ignore": "x"}, STATE, "ignore is a list of patterns"),
        ({"networks": {"G_AB": {**U_NET, "layers": {**U_NET["layers"], "up.9": "x"}}}}, STATE, "unknown layer 'up.9'"),
        (
            {"networks": {"G_AB": without(U_NET, "up.{i}")}},
            STATE,
            "networks.G_AB: up.1: the layout does not name its key; it has conv1.weight 4×3×4×4, conv1.bias 4, ",
        ),
        (
            {"networks": {"G_AB": U_NET}},
            {name: one for name, one in STATE.items() if name != "deconv2.weight"},
            "networks.G_AB: up.3: the file has no deconv2.weight; it has conv1.weight",
        ),
        (
            {"networks": {"G_AB": U_NET}},
            {**STATE, "extra.weight": torch.ones(2)},
            "layout.yaml uses extra.weight 2 (1 keys); map them, or list them in 'ignore'",
        ),
        (
            {"networks": {"G_AB": without(U_NET, "down.{i}.norm")}},
            STATE,
            "down.2.norm: no batch norm, but up.2.norm is",
        ),
        ({"networks": {"G_AB": {**U_NET, "norm": "none"}}}, STATE, "norm is 'none', but down.2.norm is a batch norm"),
        ({"networks": {"G_AB": U_NET}}, affine(STATE), "instance norm with learned scale and shift (affine)"),
        ({"networks": {"G_BA": U_NET}}, STATE, "only G_B, from B to A"),
        ({"networks": {"G_AB": {**U_NET, "file": "y"}}}, STATE, "has a 'file' pattern that fits its name"),
    ],
)
def test_mistakes_in_a_layout_are_one_line(run: Run, tmp_path: Path, content: Any, state: State, message: str) -> None:
    layout, file = written(tmp_path / "layout.yaml", content), save(tmp_path / "x.pth", state)
    code, _, err = run("import", file, "--layout", layout, "-o", tmp_path / "run")
    assert code == 2 and message in err and err.startswith("ganzoo: ") and len(err.splitlines()) == 1, err
    assert not (tmp_path / "run").exists()


def test_a_layout_or_the_code_is_given_and_the_layout_exists(run: Run, tmp_path: Path) -> None:
    file = save(tmp_path / "x.pth", STATE)
    assert "give either --from" in run("import", file, "-o", tmp_path / "run")[2]
    layout = written(tmp_path / "layout.yaml", {"networks": {"G_AB": U_NET}})
    words = ("--from", "cyclegan", "--layout", layout)
    assert "give either --from" in run("import", file, *words, "-o", tmp_path / "run")[2]
    code, _, err = run("import", file, "--layout", tmp_path / "no.yaml", "-o", tmp_path / "run")
    assert code == 5 and "no.yaml: --layout: no such file" in err


def test_the_layout_of_the_docs_is_valid(run: Run, tmp_path: Path) -> None:
    (text,) = blocks(ROOT / "docs/importing.md", "yaml")
    network = trained(FlatUNet(levels=8))
    file = save(tmp_path / "generator.pth", network.state_dict())
    assert "levels 8" in imported(run, tmp_path / "run", written(tmp_path / "layout.yaml", text), file)
    large = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1)) * 2 - 1
    torch.testing.assert_close(
        ganzoo.load(tmp_path / "run").translate(large), network(large).detach(), rtol=1e-4, atol=1e-4
    )
