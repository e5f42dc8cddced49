"""The generators in exported files, by tiles, and in channels_last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import ganzoo
from ganzoo.inference.translator import TRANSLATED, Translator
from tests.support.exported_runs import PATCH, assert_translates, create_run
from tests.support.marks import fast_or_slow
from tests.support.untrained_runs import write_untrained_run

GENERATORS: dict[str, dict[str, Any]] = {
    "nafnet": {"generator": "nafnet", "width": 2, "encoder": [1], "decoder": [1]},
    "nafnet with residual": {"generator": "nafnet", "width": 2, "encoder": [1], "decoder": [1], "residual": True},
    "stylegan2_resnet": {"generator": "stylegan2_resnet", "width": 2, "blocks": 0, "downs": 1},
    "timm_unet": {"generator": "timm_unet", "model": "test_resnet", "pretrained": False, "width": 2, "levels": 2},
    "timm_unet of ConvNeXt blocks": {
        "generator": "timm_unet",
        "model": "test_convnext",
        "pretrained": False,
        "width": 2,
        "levels": 2,
    },
}


@pytest.mark.parametrize("name", [fast_or_slow(name, ("timm_unet",)) for name in GENERATORS])
@pytest.mark.parametrize("suffix", [".pt2", pytest.param(".onnx", marks=pytest.mark.slow)])
def test_an_exported_file_takes_any_size(name: str, suffix: str, tmp_path: Path) -> None:
    run = create_run(tmp_path, networks={"G": GENERATORS[name], "D": PATCH})
    assert_translates(run, tmp_path / f"x{suffix}", ganzoo.export(run, tmp_path / f"x{suffix}"))


def noise(*size: int) -> Tensor:
    return torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_tiles_of_nafnet_read_its_means_without_whole_maps(tmp_path: Path) -> None:
    generator = {"generator": "nafnet", "width": 4, "encoder": [1], "decoder": [1]}
    translator = Translator(write_untrained_run(tmp_path / "run", {"method": "cyclegan", "networks": {"G": generator}}))
    for name, parameter in translator.method.networks["G_AB"].named_parameters():
        if "beta" in name or "gamma" in name:  # they begin at 0, which hides the blocks
            nn.init.uniform_(parameter, 0.5, 1)
        elif name.endswith("weight"):  # the run's are four times the initial ones
            parameter.data /= 4
    whole = translator.translate_step(noise(70, 101), "AB")[TRANSLATED]
    assert 0.05 < whole.std() < 0.9
    tiled = translator.translate_step(noise(70, 101), "AB", tile=32)[TRANSLATED]
    torch.testing.assert_close(tiled, whole, rtol=0, atol=1e-4)
    assert translator.tiler._traced is not None and not translator.tiler._traced[1].whole


@pytest.mark.parametrize("name", GENERATORS)
def test_channels_last_gives_the_same(name: str) -> None:
    options = {key: value for key, value in GENERATORS[name].items() if key != "generator"}
    network = ganzoo.create("generator", GENERATORS[name]["generator"], 3, 3, **options).eval()
    images = noise(24, 40)
    with torch.no_grad():
        expected = network(images)
        last = network.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)
