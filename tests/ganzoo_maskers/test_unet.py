"""The U-Net: Ronneberger's layers, its weights on their way from a run's folder into a role, frozen there."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

import ganzoo
from ganzoo import GanzooError
from ganzoo.masks.roles import Roles
from ganzoo.plugins import plugins
from ganzoo.randomness import Draws
from ganzoo.recipe.maskers import build_maskers
from ganzoo.recipe.options import build
from ganzoo.recipe.reader import read_recipe
from ganzoo_maskers.unet import UNet
from ganzoo_smcyclegan.method import SMCycleGAN
from tests.support.command_line import refusal
from tests.support.stand_in_methods import batch_step
from tests.support.untrained_runs import renew_checksums

NONE = Draws([])
ROLE: dict[str, Any] = {
    "method": "smcyclegan",
    "networks": {
        "G": {"generator": "resnet", "width": 2, "blocks": 1},
        "D": {"discriminator": "patch", "width": 2, "layers": 1},
    },
    "data": {"dataset": "striped_digits"},
    "images": {"size": 16},
    "train": {"steps": 2},
}


def random_images(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(1)) * 2 - 1


def trained(depth: int = 2, channels: int = 3) -> UNet:
    """Return a small one whose batch norms have seen something, frozen as in a role."""
    torch.manual_seed(0)
    masker = UNet(width=2, depth=depth, channels=channels)
    for _ in range(5):
        masker.logits(0.5 * torch.randn(4, masker.channels, 16, 16) + 0.3)
    return masker.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of the method segmenter, with averaged weights."""
    home = tmp_path_factory.mktemp("run")
    for i in range(4):
        for folder in ("a", "a_masks"):
            (home / folder).mkdir(exist_ok=True)
            pixels = np.random.default_rng(i).integers(0, 256, (16, 16), dtype=np.uint8)
            Image.fromarray(pixels).save(home / folder / f"{i}.png")
    recipe = {
        "method": "segmenter",
        "networks": {"S": {"masker": "unet", "width": 3, "depth": 2}},
        "data": {"dataset": "folders", "A": str(home / "a"), "validation": 0.25},
        "images": {"size": 16},
        "train": {"steps": 3, "batch": 2, "ema": 0.5},
    }
    (home / "s.yaml").write_text(yaml.safe_dump(recipe))
    ganzoo.run(home / "s.yaml", root=home / "runs")
    return home / "runs/s/default"


@pytest.fixture
def make() -> Callable[..., UNet]:
    def made(**options: Any) -> UNet:
        return build(plugins().registry.get("masker", "unet"), **options)

    return made


def plain_unet(weights: dict[str, Tensor], image: Tensor, depth: int) -> Tensor:
    """Return the logits in evaluation mode, written down from the paper's figure 1 with the weights at hand."""

    def normed(maps: Tensor, name: str) -> Tensor:
        mean, variance = weights[f"{name}.running_mean"], weights[f"{name}.running_var"]
        maps = (maps - mean[:, None, None]) / (variance[:, None, None] + 1e-5).sqrt()
        if f"{name}.weight" not in weights:
            return maps
        return maps * weights[f"{name}.weight"][:, None, None] + weights[f"{name}.bias"][:, None, None]

    def twice(maps: Tensor, name: str) -> Tensor:
        for i in (0, 3):
            maps = F.conv2d(maps, weights[f"{name}.{i}.weight"], padding=1)
            maps = normed(maps, f"{name}.{i + 1}").clamp(min=0)
        return maps

    def level(maps: Tensor, i: int) -> Tensor:
        maps = twice(maps, f"down.{i}")
        if i == depth:
            return maps
        below = level(maps.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)), i + 1)
        up = depth - 1 - i
        raised = F.conv_transpose2d(below, weights[f"up.{up}.weight"], weights[f"up.{up}.bias"], stride=2)
        return twice(torch.cat([maps, raised], 1), f"merge.{up}")

    return F.conv2d(level(normed(image, "normalize"), 0), weights["head.weight"], weights["head.bias"])


@pytest.mark.parametrize("depth", [1, 3])
def test_the_logits_are_those_of_the_values_of_the_paper(depth: int) -> None:
    masker = trained(depth=depth).double()
    image = random_images(2, 3, 16, 24).double()
    torch.testing.assert_close(masker.logits(image), plain_unet(masker.state_dict(), image, depth))


def test_the_published_size_has_the_layers_of_the_paper() -> None:
    masker = UNet()
    down = [3, 64, 128, 256, 512, 1024]
    weights = sum(9 * inner * outer + 9 * outer * outer for inner, outer in pairwise(down))
    weights += sum(9 * 2 * outer * outer + 9 * outer * outer for outer in (64, 128, 256, 512))
    norms = 2 * 2 * sum((64, 128, 256, 512, 1024, 512, 256, 128, 64))  # two a level, each a scale and a shift
    raising = sum(4 * 2 * outer * outer + outer for outer in (64, 128, 256, 512))
    assert weights + norms + raising + 64 + 1 == 31_037_633
    assert sum(one.numel() for one in masker.parameters()) == 31_037_633
    convolutions = [one for one in masker.modules() if isinstance(one, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 23  # "In total the network has 23 convolutional layers."


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 7), (16, 16), (33, 50)])
def test_any_size(height: int, width: int) -> None:
    masker, image = trained(), random_images(2, 3, height, width)
    mask = masker(image, NONE)
    assert mask.shape == masker.logits(image).shape == (2, 1, height, width)
    torch.testing.assert_close(mask, 1 / (1 + (-masker.logits(image)).exp()))


def test_odd_sizes_are_padded_by_their_border_and_cropped() -> None:
    masker, image = trained(), random_images(1, 3, 6, 7)
    rows, columns = [*range(6), 5, 5], [*range(7), 6]
    padded = image[:, :, rows][:, :, :, columns]
    torch.testing.assert_close(masker.logits(image), masker.logits(padded)[..., :6, :7])


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_the_mask_is_float32_under_autocast_too(dtype: torch.dtype) -> None:
    masker, image = trained(), random_images(1, 3, 16, 16).to(dtype)
    plain = masker(image, NONE)
    with torch.autocast("cpu", torch.bfloat16):
        low = masker(image, NONE)
    assert plain.dtype == low.dtype == torch.float32
    assert low.ge(0).all() and low.le(1).all()
    assert 0 < (plain - low).abs().max() < 0.05
    assert not torch.equal(low.bfloat16().float(), low)  # a sigmoid in bfloat16 would have left eight bits


def test_the_images_that_it_was_trained_on_normalize_what_it_sees() -> None:
    torch.manual_seed(0)
    masker = UNet(width=2, depth=1)
    batches = [scale * torch.randn(4, 3, 8, 8) + scale for scale in (0.1, 0.3, 0.8)]
    for batch in batches:
        masker.logits(batch)
    kept = masker.state_dict()
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches]).mean(0)
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches]).mean(0)
    torch.testing.assert_close(kept["normalize.running_mean"], means)
    torch.testing.assert_close(kept["normalize.running_var"], variances)


def test_weights_without_their_normalization_are_refused(make: Callable[..., UNet], tmp_path: Path) -> None:
    weights = {name: one for name, one in trained().state_dict().items() if not name.startswith("normalize")}
    save_file(weights, tmp_path / "foreign.safetensors")
    message = refusal(make, weights=tmp_path / "foreign.safetensors")
    assert "weights of another architecture than unet: Missing key(s)" in message
    assert "normalize.running_mean" in message


def test_what_a_run_has_learnt_comes_back_with_its_size(make: Callable[..., UNet], run: Path) -> None:
    masker = make(weights=run)
    averaged = load_file(run / "checkpoints/last/average/S.safetensors")
    plain = load_file(run / "checkpoints/last/networks/S.safetensors")
    assert (masker.channels, masker.stride, masker.head.in_channels) == (3, 4, 3)
    assert masker.trains == ""
    assert all(torch.equal(one, averaged[name]) for name, one in masker.state_dict().items())
    assert any(not torch.equal(one, plain[name]) for name, one in averaged.items())


def copy_of(run: Path, folder: Path) -> Path:
    import shutil

    shutil.copytree(run, folder)
    return folder


def test_the_best_is_taken_before_the_last_and_what_is_not_averaged_as_it_is(
    make: Callable[..., UNet], run: Path, tmp_path: Path
) -> None:
    home = copy_of(run, tmp_path / "copy")
    best = copy_of(home / "checkpoints/last", home / "checkpoints/best")
    (best / "average/S.safetensors").unlink()
    weights = load_file(best / "networks/S.safetensors")
    weights["head.bias"].fill_(17)
    save_file(weights, best / "networks/S.safetensors")
    renew_checksums(best)
    assert make(weights=home).state_dict()["head.bias"].tolist() == [17]
    best.rename(best.with_name(".best.old"))  # as between the two renames of a save
    assert make(weights=home).state_dict()["head.bias"].tolist() == [17]


def test_a_file_serves_too(make: Callable[..., UNet], tmp_path: Path) -> None:
    masker, image = trained(channels=1), random_images(1, 1, 9, 9)
    save_file(masker.state_dict(), tmp_path / "s.safetensors")
    torch.save({"state_dict": masker.state_dict()}, tmp_path / "s.pt")
    for name in ("s.safetensors", "s.pt"):
        found = make(weights=tmp_path / name, width=2, channels=1).eval()
        assert torch.equal(found(image, NONE), masker(image, NONE))


def role_recipe(folder: Path, **masker: Any) -> Path:
    file = folder / "role.yaml"
    file.write_text(yaml.safe_dump({**ROLE, "maskers": {"discriminator": {"masker": "unet", **masker}}}))
    return file


def test_in_a_role_it_is_frozen_and_nothing_moves_it(run: Path, tmp_path: Path) -> None:
    masks = build_maskers(read_recipe(role_recipe(tmp_path, weights=str(run))))
    masker = masks.maskers["discriminator"]
    before = {name: one.clone() for name, one in masker.state_dict().items()}
    assert not any(one.requires_grad for one in masker.parameters())
    masker.train()
    assert not any(one.training for one in masker.modules())
    step = batch_step(batch=3, size=16)
    seen = masks.for_discriminator(step, "real_A")
    step["real_A"] = step["real_A"][:1]  # a batch's own statistics would show in the mask of its first image
    del step["discriminator_mask_real_A"]
    torch.testing.assert_close(seen[:1], masks.for_discriminator(step, "real_A"))
    assert all(torch.equal(one, before[name]) for name, one in masker.state_dict().items())


def test_it_trains_where_it_is_not_frozen() -> None:
    masker = UNet(width=2, depth=1)
    assert masker.eval().train().normalize.training
    masker.requires_grad_(False).train()
    assert not masker.normalize.training


def test_a_role_refuses_it_untrained(run: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="'unet' is untrained: give it weights"):
        read_recipe(role_recipe(tmp_path, width=4))
    assert "discriminator" in read_recipe(role_recipe(tmp_path, weights=str(run))).maskers


def test_the_gradient_flows_through_it_into_the_image_where_that_is_asked_for() -> None:
    def gradient(flow: bool) -> Tensor:
        method = SMCycleGAN(mask_probability=1.0, flow=flow)
        method.bind({}, Roles({"discriminator": trained()}))
        step = batch_step(size=16)
        step["fake_B"] = step["real_A"].clone().requires_grad_()
        (found,) = torch.autograd.grad(method.discriminator_input(step, "fake_B").sum(), step["fake_B"])
        return found

    image = batch_step(size=16)["real_A"]
    mask = trained()(image, NONE)
    torch.testing.assert_close(gradient(False), mask.expand_as(image))
    assert not torch.allclose(gradient(True), mask.expand_as(image))


def test_places_without_weights_are_reported(make: Callable[..., UNet], run: Path, tmp_path: Path) -> None:
    assert "nowhere: no such file or folder" in refusal(make, weights=tmp_path / "nowhere")
    assert f"{tmp_path}: not a run's folder" in refusal(make, weights=tmp_path)
    home = copy_of(run, tmp_path / "copy")
    described = yaml.safe_load((home / "resolved.yaml").read_text())
    (home / "checkpoints/last").rename(home / "checkpoints/step-3")
    assert f"{home}/checkpoints: there is no checkpoint yet" in refusal(make, weights=home)
    described["method"], described["networks"] = {"method": "cyclegan"}, {"G": {"generator": "unet"}}
    (home / "resolved.yaml").write_text(json.dumps(described) + "\n# edited\n")
    assert f"{home}: a run of the method 'cyclegan', which trains no unet" in refusal(make, weights=home)
    for damaged in ("", "method: {", "- 1", "method: segmenter"):
        (home / "resolved.yaml").write_text(f"{damaged}\n# edited")
        assert "resolved.yaml: damaged" in refusal(make, weights=home)


def test_weights_of_something_else_are_reported(make: Callable[..., UNet], tmp_path: Path) -> None:
    file = tmp_path / "s.safetensors"
    weights = trained().state_dict()
    save_file(weights, file)
    assert f"{file}: its width is 2, not 8: remove width" in refusal(make, weights=file, width=8)
    assert f"{file}: its depth is 2, not 3" in refusal(make, weights=file, depth=3)
    assert f"{file}: its channels is 3, not 1" in refusal(make, weights=file, channels=1)
    save_file({**weights, "merge.0.0.weight": torch.zeros(4, 4, 3, 3)}, file)
    assert f"{file}: weights of another architecture than unet: size mismatch" in refusal(make, weights=file)
    save_file(nn.Conv2d(3, 3, 1).state_dict(), file)
    assert f"{file}: weights of another architecture than unet: they contain 'bias'" in refusal(make, weights=file)
    save_file(weights, file)
    file.write_bytes(file.read_bytes()[:-100])
    assert f"{file}: the weights cannot be read" in refusal(make, weights=file)


def test_images_of_other_channels_are_reported(make: Callable[..., UNet], tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match=r"takes images of 3 channels, not 1: use channels: 1$"):
        UNet(width=2, depth=1).logits(random_images(2, 1, 8, 8))
    save_file(trained().state_dict(), tmp_path / "s.safetensors")
    with pytest.raises(GanzooError, match=r"not 1: use weights trained on 1$"):
        make(weights=tmp_path / "s.safetensors")(random_images(2, 1, 8, 8), NONE)


def test_a_batch_that_leaves_batch_norm_one_value_is_reported() -> None:
    masker = UNet(width=2, depth=3)
    with pytest.raises(GanzooError, match="one image of 8×8 pixels is one value at the innermost level"):
        masker.logits(random_images(1, 3, 8, 8))
    assert masker.logits(random_images(2, 3, 8, 8)).shape == (2, 1, 8, 8)
    assert masker.eval().logits(random_images(1, 3, 8, 8)).shape == (1, 1, 8, 8)
