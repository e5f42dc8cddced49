"""Importing Mask CycleGAN's run folder: the same outputs as plain code; wrong folders and files are one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torch import nn

import ganzoo
from ganzoo import create
from ganzoo.engine.checkpoint import load_network
from tests.support.author_checkpoints import (
    State,
    masked_forward,
    masked_resnet,
    patch,
    patch_forward,
    resnet,
    small_patch,
)
from tests.support.command_line import Run

DRAWN = torch.Generator().manual_seed(3)
IMAGE = torch.rand(1, 3, 32, 40, generator=DRAWN) * 2 - 1
MASK = (torch.rand(1, 1, 32, 40, generator=DRAWN) > 0.5).float()
DISCRIMINATORS = {"netD_A": patch(), "netD_B": patch(6), "netD_Am": small_patch(), "netD_Bm": small_patch(5)}


def folder_of(place: Path, states: dict[str, State], text: str = "") -> Path:
    place.mkdir()
    for name, state in states.items():
        torch.save(state, place / f"{name}.pth")
    if text:
        (place / "state.json").write_text(text)
    return place


def both(**options: Any) -> dict[str, State]:
    there = masked_resnet(**options)
    return {"netG_A2B": there, "netG_B2A": {name: -one for name, one in masked_resnet(blocks=3, **options).items()}}


def imported(run: Run, out: Path, *files: Path) -> str:
    code, message, err = run("import", *files, "--from", "mask_cgan", "-o", out, "--size", 32)
    assert (code, err) == (0, ""), err
    return message


def assert_translates(out: Path, states: dict[str, State], level: str = "") -> None:
    loaded = ganzoo.load(out)
    for direction, name, blocks in (("AB", "netG_A2B", 2), ("BA", "netG_B2A", 3)):
        for mask in (MASK, 1 - MASK, torch.ones_like(MASK)):
            plain = masked_forward(states[name], IMAGE, mask, blocks, level)
            assert (plain.abs() < 1).float().mean() > 0.3
            made = loaded.translate(IMAGE, direction, mask=mask)
            torch.testing.assert_close(made, plain.clamp(-1, 1), rtol=1e-4, atol=1e-5)


def test_a_run_folder(run: Run, tmp_path: Path) -> None:
    states = both() | DISCRIMINATORS
    text = json.dumps({"mask_scales": "0.5, 0.25", "epoch": 3, "use_mask": True})
    message = imported(run, tmp_path / "run", folder_of(tmp_path / "theirs", states, text))
    assert "G_AB       generator resnet: 3 → 3 channels, width 4, blocks 2, norm instance, dropout False" in message
    assert "E_BA       mask encoder: 3 → 3 channels\n" in message
    assert "D_B        discriminator patch: 3 channels, width 6, layers 3" in message  # there D_B sees B
    assert "D_masked_B discriminator patch: 3 channels, width 5, layers 2" in message
    assert "input      masker centered_square, scales [0.5, 0.25]\n" in message
    assert_translates(tmp_path / "run", states)


def test_translate_uses_a_mask_of_the_user(run: Run, tmp_path: Path) -> None:
    states = both()
    imported(run, tmp_path / "run", folder_of(tmp_path / "theirs", states))
    image, mask = ((one[0].movedim(0, 2) * 255).round().to(torch.uint8) for one in (IMAGE / 2 + 0.5, MASK))
    Image.fromarray(image.numpy()).save(tmp_path / "x.png")
    Image.fromarray(mask[:, :, 0].numpy()).save(tmp_path / "mask.png")
    words = ("translate", tmp_path / "run", tmp_path / "x.png", "-o", tmp_path / "out")
    assert run(*words, "--mask", tmp_path / "mask.png", "--direction", "BA")[0] == 0
    plain = masked_forward(states["netG_B2A"], image.movedim(2, 0)[None] / 127.5 - 1, MASK, blocks=3)
    with Image.open(tmp_path / "out/x.png") as made:
        pixels = torch.frombuffer(bytearray(made.tobytes()), dtype=torch.uint8).view(32, 40, 3)
    expected = (plain.clamp(-1, 1)[0].movedim(0, 2) + 1) * 127.5
    assert (pixels - expected).abs().max() < 0.51
    assert run(*words)[0] == 0  # and without one, in a mask that is drawn


def test_single_files_in_any_order_and_one_level_more(run: Run, tmp_path: Path) -> None:
    states = both(level=".0")
    folder = folder_of(tmp_path / "theirs", {**states, "other": {}})
    imported(run, tmp_path / "run", folder / "netG_B2A.pth", folder / "netG_A2B.pth")
    assert_translates(tmp_path / "run", states, ".0")


def discriminator_of(run: Path, slot: str) -> nn.Module:
    """Return a new discriminator with the options of a run's slot, without those for its training."""
    part = yaml.safe_load((run / "resolved.yaml").read_text())["networks"][slot]
    options = {name: value for name, value in part.items() if name not in ("augment", "noise", "spectral_norm")}
    network: nn.Module = create("discriminator", options.pop("discriminator"), 3, **options)
    return network


@pytest.mark.parametrize(
    ("name", "slot", "convs", "strides"),
    [("netD_A", "D_A", (0, 2, 5, 8, 11), (2, 2, 2, 1)), ("netD_Bm", "D_masked_B", (0, 2, 5), (2, 2))],
)
def test_discriminators_return_one_logit_an_image(
    run: Run, tmp_path: Path, name: str, slot: str, convs: tuple[int, ...], strides: tuple[int, ...]
) -> None:
    imported(run, tmp_path / "run", folder_of(tmp_path / "theirs", both() | DISCRIMINATORS))
    network = discriminator_of(tmp_path / "run", slot)
    load_network(network, tmp_path / f"run/checkpoints/last/networks/{slot}.safetensors")
    plain = patch_forward(DISCRIMINATORS[name], IMAGE, convs, strides)
    torch.testing.assert_close(network(IMAGE).flatten(), plain.mean((1, 2, 3)))
    assert plain.shape[-1] > 1


def test_the_small_discriminator_has_the_published_size(run: Run, tmp_path: Path) -> None:
    imported(run, tmp_path / "run", folder_of(tmp_path / "theirs", {**both(), "netD_Am": small_patch(64)}))
    network = discriminator_of(tmp_path / "run", "D_masked_A")
    assert sum(one.numel() for one in network.parameters()) == 136_385


SQUARES = {"masker": "centered_square", "scales": [0.5, 0.8, 1.0]}


@pytest.mark.parametrize(
    ("text", "masker"),
    [
        ('{"mask_scales": "0.3"}', {"masker": "centered_square", "scales": [0.3]}),
        ('{"mask_scales": ""}', {"masker": "multi_rectangle", "variant": "released"}),
        ("", SQUARES),
        ("{", SQUARES),
        ("[" * 100_000, SQUARES),
        ("[1]", SQUARES),
        ('{"epoch": 3}', SQUARES),
        ('{"mask_scales": 3}', SQUARES),
        ('{"mask_scales": "0.5,2"}', SQUARES),
        ('{"mask_scales": "nan"}', SQUARES),
        ('{"mask_scales": "wide"}', SQUARES),
    ],
    ids=lambda one: one[:24] if isinstance(one, str) else None,
)
def test_the_masker_comes_from_the_state(run: Run, tmp_path: Path, text: str, masker: dict[str, Any]) -> None:
    imported(run, tmp_path / "run", folder_of(tmp_path / "theirs", both(), text))
    found = yaml.safe_load((tmp_path / "run/resolved.yaml").read_text())["maskers"]["input"]
    assert found | masker == found


def lacking(state: State, *starts: str) -> State:
    return {name: one for name, one in state.items() if not name.startswith(starts)}


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({}, "not a run's folder of mask_cgan, with netG_A2B.pth and netG_B2A.pth"),
        ({"latest_net_G_A": resnet()}, "not a run's folder of mask_cgan"),
        (DISCRIMINATORS, "no generator among these files; translating needs one"),
        (
            {**both(), "netG_A2B": resnet()},
            "netG_A2B.pth: no mask_model and context_model: a generator",
        ),
        (
            {**both(), "netG_A2B": patch()},
            "a generator of mask_cgan, but it contains the discriminator patch",
        ),
        ({**both(), "netG_A2B": {}}, "netG_A2B.pth: not a state dict, which contains named tensors and nothing else"),
        (
            {**both(), "netG_A2B": lacking(masked_resnet(), "model.4.bias")},
            "netG_A2B.pth: its shapes do not fit a resnet: model.4.bias is missing, expected (8,)",
        ),
        (
            {**both(), "netG_B2A": lacking(masked_resnet(), "context_model.bias")},
            "netG_B2A.pth: its shapes do not fit a mask encoder: context.bias is missing, expected (3,)",
        ),
        (
            {**both(), "netG_B2A": {**masked_resnet(), "mask_model.weight": torch.ones(3, 4, 1, 1)}},
            "its shapes do not fit a mask encoder: masked.weight is (3, 4, 1, 1), expected (3, 6, 1, 1)",
        ),
        (
            {**both(), "netG_B2A": masked_resnet(channels=1)},
            "netG_B2A.pth: 1 input channels, but 3 according",
        ),
        ({**both(), "netD_A": masked_resnet()}, "with 5 convolutions or 3, but it contains the generator resnet"),
        (
            {**both(), "netD_A": lacking(patch(), "model.8")},
            "convolutions or 3, but it contains the discriminator",
        ),
        (
            {**both(), "netD_A": lacking(patch(), "model.8.bias")},
            "its shapes do not fit a patch: model.8.bias",
        ),
        (
            {**both(), "netD_Am": patch(in_channels=4)},
            "netD_Am.pth: 4 input channels, but 3 according",
        ),
    ],
)
def test_wrong_folders_are_one_line(run: Run, tmp_path: Path, states: dict[str, State], message: str) -> None:
    folder = folder_of(tmp_path / "theirs", states)
    code, _, err = run("import", folder, "--from", "mask_cgan", "-o", tmp_path / "run")
    assert code == 2
    assert message in err and err.startswith("ganzoo: ") and len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists() and not (tmp_path / ".run.new").exists()


def refused(run: Run, *words: object, expected_code: int = 2) -> str:
    code, _, err = run("import", *words)
    assert code == expected_code and len(err.splitlines()) == 1
    return err


def test_wrong_files_are_one_line(run: Run, tmp_path: Path) -> None:
    folder, to = folder_of(tmp_path / "theirs", both()), ("-o", tmp_path / "run")
    there, back = folder / "netG_A2B.pth", folder / "netG_B2A.pth"
    assert "netG.pth: no such file" in refused(run, folder / "netG.pth", "--from", "mask_cgan", *to, expected_code=5)
    torch.save(masked_resnet(), folder / "netG.pth")
    assert "the name does not say which network the file contains; rename it as mask_cgan does: netG_A2B" in refused(
        run, folder / "netG.pth", "--from", "mask_cgan", *to
    )
    assert "the same network as in" in refused(run, there, folder, "--from", "mask_cgan", *to)
    assert "mask_cgan" not in refused(run, there, back, "--from", "cyclegan", *to)
    there.write_bytes(there.read_bytes()[:1000])
    assert "netG_A2B.pth: not a state dict of tensors only: the file is truncated" in refused(
        run, folder, "--from", "mask_cgan", *to
    )
    there.unlink()
    assert "netG_A2B.pth: no such file" in refused(run, there, back, "--from", "mask_cgan", *to, expected_code=5)


def test_output_channels_must_fit(run: Run, tmp_path: Path) -> None:
    files = [tmp_path / "latest_net_G_A.pth", tmp_path / "latest_net_G_B.pth"]
    for file, channels in zip(files, ((3, 1), (1, 1)), strict=True):
        torch.save(resnet(channels=channels), file)
    err = refused(run, *files, "--from", "cyclegan", "-o", tmp_path / "run")
    assert "latest_net_G_B.pth: 1 output channels, but 3 according to the other files" in err


@pytest.mark.parametrize(("name", "direction", "blocks"), [("netG_A2B", "AB", 2), ("netG_B2A", "BA", 3)])
def test_one_generator_alone(run: Run, tmp_path: Path, name: str, direction: str, blocks: int) -> None:
    states = both()
    imported(run, tmp_path / "run", folder_of(tmp_path / "theirs", {name: states[name]}))
    made = ganzoo.load(tmp_path / "run").translate(IMAGE, direction, mask=MASK)
    plain = masked_forward(states[name], IMAGE, MASK, blocks).clamp(-1, 1)
    torch.testing.assert_close(made, plain, rtol=1e-4, atol=1e-5)
    other = direction[::-1]
    words = ("translate", tmp_path / "run", tmp_path / "x.png", "-o", tmp_path / "out", "--direction", other)
    Image.new("RGB", (40, 32)).save(tmp_path / "x.png")
    code, _, err = run(*words)
    assert (
        code == 5 and f"it lacks the network E_{other} for the direction {other}; it can translate {direction}" in err
    )
