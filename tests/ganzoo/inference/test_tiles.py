"""Translation by tiles equals that of whole images, for every bundled generator, in less memory; auto and errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import ganzoo as package
from ganzoo.errors import GanzooError, OutOfMemoryError
from ganzoo.inference import tiles
from ganzoo.inference.files import translate_files
from ganzoo.inference.translator import TRANSLATED, Translator
from ganzoo.utils.memory import measure_tensors
from tests.support.command_line import Run
from tests.support.untrained_runs import write_untrained_run

CPU = torch.device("cpu")
RESNET = {"generator": "resnet", "width": 4, "blocks": 2}
RECIPES: dict[str, dict[str, Any]] = {
    "resnet": {"method": "cyclegan", "networks": {"G": RESNET}},
    "resnet of 64 pixels, channels_last": {
        "method": "cyclegan",
        "networks": {"G": {**RESNET, "upsample": "resize"}},
        "images": {"size": 64},
    },
    "resnet with batch norm": {
        "method": "cyclegan",
        "networks": {"G": {**RESNET, "norm": "batch", "upsample": "pixelshuffle", "padding": "replicate"}},
    },
    "unet": {"method": "cyclegan", "networks": {"G": {"generator": "unet", "width": 4, "levels": 4}}},
    "unet with reflection": {
        "method": "cyclegan",
        "networks": {"G": {"generator": "unet", "width": 4, "levels": 3, "padding": "reflect", "upsample": "resize"}},
    },
    "munit": {"method": "munit", "networks": {"G": {"width": 4, "blocks": 1}}},
    "unit": {"method": "unit", "networks": {"G": {"width": 4, "blocks": 1}}, "images": {"size": 64}},
    "drit": {
        "method": {"method": "drit", "content_layers": 1},
        "networks": {"G": {"width": 4, "blocks": 1}},
        "images": {"size": 64},
        "train": {"steps": 1, "batch": 2},
    },
    "cut": {
        "method": {"method": "cut", "layers": [0, 4]},
        "networks": {"G": {"generator": "smooth_resnet", "width": 4, "blocks": 1}},
    },
    "nafnet": {
        "method": "cyclegan",
        "networks": {"G": {"generator": "nafnet", "width": 4, "encoder": [1, 1], "decoder": [1, 1]}},
    },
    "stylegan2_resnet": {
        "method": "cyclegan",
        "networks": {"G": {"generator": "stylegan2_resnet", "width": 4, "blocks": 2, "padding": "reflect"}},
    },
    "timm_unet": {
        "method": "cyclegan",
        "networks": {"G": {"generator": "timm_unet", "model": "test_efficientnet", "pretrained": False, "width": 4}},
    },
    "timm_unet of ConvNeXt blocks": {
        "method": "cyclegan",
        "networks": {
            "G": {"generator": "timm_unet", "model": "test_convnext", "pretrained": False, "width": 4, "levels": 3}
        },
    },
    "a composite mask": {
        "method": "cyclegan",
        "networks": {"G": RESNET},
        "maskers": {"composite": {"masker": "learned", "width": 4}},
    },
    "a random composite mask": {
        "method": "cyclegan",
        "networks": {"G": RESNET},
        "maskers": {"composite": "multi_rectangle"},
    },
    "an input mask": {"method": "mask_cyclegan", "networks": {"G": RESNET}, "maskers": {"input": "round"}},
}


@pytest.fixture
def noise() -> Tensor:
    return torch.rand(1, 3, 70, 101, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("name", RECIPES)
def test_tiles_give_the_translation_of_the_whole_image(name: str, noise: Tensor, tmp_path: Path) -> None:
    translator = Translator(write_untrained_run(tmp_path / "run", RECIPES[name]))
    options = {"sample": 3, "seed": 5}  # draws, of styles and masks, must be the same
    whole = translator.translate_step(noise, "AB", **options)  # type: ignore[arg-type]
    assert whole[TRANSLATED].std() > 0.01  # so that differences would show
    for side in (32, 57):
        tiled = translator.translate_step(noise, "AB", tile=side, **options)  # type: ignore[arg-type]
        assert translator.tiler.side == side
        torch.testing.assert_close(tiled[TRANSLATED], whole[TRANSLATED], rtol=0, atol=1e-3)
        expected = translator.compute_masks(whole, "AB")
        for role, mask in translator.compute_masks(tiled, "AB").items():
            torch.testing.assert_close(mask, expected[role], rtol=0, atol=1e-3)


def test_a_given_mask_and_style_are_used(noise: Tensor, tmp_path: Path) -> None:
    masked = Translator(write_untrained_run(tmp_path / "masked", RECIPES["a random composite mask"]))
    mask = (torch.arange(101).expand(1, 1, 70, 101) < 40).float()
    tiled = masked.translate_step(noise, "AB", mask, tile=32)[TRANSLATED]
    torch.testing.assert_close(tiled[..., 40:], noise[..., 40:])
    torch.testing.assert_close(tiled, masked.translate_step(noise, "AB", mask)[TRANSLATED], rtol=0, atol=1e-4)
    styled = Translator(write_untrained_run(tmp_path / "styled", RECIPES["munit"]))
    style = torch.linspace(-2, 2, 8)[None]
    tiled = styled.translate_step(noise, "AB", style=style, tile=32)[TRANSLATED]
    torch.testing.assert_close(tiled, styled.translate_step(noise, "AB", style=style)[TRANSLATED], rtol=0, atol=1e-3)
    assert (tiled - styled.translate_step(noise, "AB", style=-style, tile=32)[TRANSLATED]).abs().max() > 0.1


@pytest.mark.parametrize("sizes", [(1, 1), (7, 153), (153, 7), (1, 40), (16, 17)])
def test_images_of_any_size(sizes: tuple[int, int], tmp_path: Path) -> None:
    translator = Translator(write_untrained_run(tmp_path / "run", RECIPES["resnet"]))
    image = torch.rand(2, 3, *sizes, generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole, tiled = (translator.translate(image, tile=tile) for tile in ("none", 16))
    assert tiled.shape == (2, 3, *sizes)
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-3)


def test_tiles_need_a_third_of_the_memory(tmp_path: Path) -> None:
    recipe = {"method": "cyclegan", "networks": {"G": {**RESNET, "width": 8, "blocks": 3}}, "images": {"size": 64}}
    translator = Translator(write_untrained_run(tmp_path / "run", recipe))
    image = torch.rand(3, 600, 900) * 2 - 1
    translator.translate(image, tile=64)  # traces
    whole, tiled = (
        measure_tensors(lambda tile=tile: translator.translate(image, tile=tile), CPU)  # type: ignore[misc]
        for tile in ("none", 64)
    )
    copies = 2 * image.numel() * 4  # the image in the networks' layout, and the result
    assert tiled - copies < (whole - copies) / 3


def test_auto_measures_and_uses_the_largest_tiles_that_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator(write_untrained_run(tmp_path / "run", RECIPES["resnet"]))
    image = torch.rand(3, 500, 700, generator=torch.Generator().manual_seed(1)) * 2 - 1
    whole = translator.translate(image)
    assert not translator.tiler.side
    monkeypatch.setattr(tiles, "ALWAYS_WHOLE", 100)
    expected = measure_tensors(lambda: translator.translate(image, tile="none"), CPU)
    sides = []
    for share in (2.0, 1.2, 0.1):
        monkeypatch.setattr(tiles, "free_memory", lambda device, share=share: int(expected * share))
        torch.testing.assert_close(translator.translate(image), whole, rtol=0, atol=1e-3)
        sides.append(translator.tiler.side)
    assert sides == [0, 256, 128]


def test_auto_uses_tiles_after_the_whole_ran_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    translator = Translator(write_untrained_run(tmp_path / "run", RECIPES["resnet"]))
    image, tried = torch.rand(3, 200, 300), []
    original = translator.method.translate

    def fail(images: Tensor, *rest: Any) -> Tensor:
        if "Fake" not in type(images).__name__:
            tried.append(images.shape)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(images, *rest)

    whole = translator.translate(image)
    monkeypatch.setattr(translator.tiler, "_cost", lambda job: (0.0, 0.0))
    monkeypatch.setattr(translator.method, "translate", fail)
    torch.testing.assert_close(translator.translate(image), whole, rtol=0, atol=1e-3)
    assert len(tried) == 1 and translator.tiler.side == 256
    with pytest.raises(torch.OutOfMemoryError):
        translator.translate(image, tile="none")

    def never(*rest: object) -> None:
        raise MemoryError

    monkeypatch.setattr(translator.tiler, "_by_tiles", never)
    with pytest.raises(OutOfMemoryError, match=r"300×200 pixels does not fit into the memory even by tiles of 128"):
        translator.translate(image)


def test_the_command_says_that_it_used_tiles(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_untrained_run(tmp_path / "run", RECIPES["resnet"])
    pixels = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    words = ("translate", folder, tmp_path / "a.png", "--size", "original")
    assert "tiles" not in run(*words, "-o", tmp_path / "whole.png")[1]
    code, out, _ = run(*words, "-o", tmp_path / "tiled.png", "--tile", "32")
    assert code == 0 and "1 translations were computed by tiles of 32 pixels (--tile changes it)" in out
    whole, tiled = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("whole", "tiled"))
    assert np.abs(whole - tiled).max() <= 1
    for wrong in ("15", "0", "big"):
        code, _, err = run(*words, "-o", tmp_path / "out", "--tile", wrong)
        assert code == 2 and "--tile" in err and err.count("\n") == 1
    monkeypatch.setattr(tiles.Tiler, "_fits", lambda self, job: False)
    _, out, _ = run(*words, "-o", tmp_path / "auto.png")
    assert "by tiles of 128 pixels, as the memory is too small for the whole (--tile changes it)" in out
    assert np.abs(np.asarray(Image.open(tmp_path / "auto.png")).astype(int) - whole).max() <= 1


def test_a_network_that_draws_random_numbers_is_refused(tmp_path: Path, noise: Tensor) -> None:
    recipe = {
        "method": {"method": "pix2pix", "as_trained": True},
        "networks": {"G": {"width": 4, "levels": 7, "dropout": True}},
        "images": {"size": 128},
    }
    translator = package.load(write_untrained_run(tmp_path / "run", recipe))
    with pytest.raises(GanzooError, match=r"draw random numbers .* --tile none"):
        translator.translate(noise, tile=32)
    translate_files(tmp_path / "run", [_write(tmp_path / "b.png")], tmp_path / "out")


class Turned(nn.Module):
    """A network that puts the channels at the end, where tiles do not look for them."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor([0.5, 0.7, 0.9]))

    def forward(self, images: Tensor) -> Tensor:
        scaled: Tensor = images.permute(0, 2, 3, 1) * self.scale
        return scaled.permute(0, 3, 1, 2)


def test_a_network_that_rearranges_maps_is_refused(tmp_path: Path, noise: Tensor) -> None:
    translator = package.load(write_untrained_run(tmp_path / "run", RECIPES["resnet"]))
    translator.method.bind({**translator.method.networks, "G_AB": Turned().eval()}, translator.method.masks)
    assert translator.translate(noise).shape == noise.shape
    with pytest.raises(GanzooError, match=r"the translation cannot be computed by tiles \(.*\); --tile none"):
        translator.translate(noise, tile=32)


def _write(file: Path) -> Path:
    Image.new("RGB", (20, 20)).save(file)
    return file
