"""The maskers keep the contracts of ``ganzoo.testing``; those with weights get small random ones."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

import pytest
import timm
import torch
from safetensors.torch import save_file

from ganzoo.testing import component_tests
from ganzoo_maskers.unet import UNet
from tests.support.feature_networks import SEGMENTER, save_model
from tests.support.hub_networks import write_network

has_transformers = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra transformers is missing")


@pytest.fixture(autouse=True, scope="module")
def _weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the weights that the options name, and change to their folder."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    save_file(timm.create_model("test_vit", img_size=48).state_dict(), folder / "vit.safetensors")
    save_model(folder, SEGMENTER, 21).rename(folder / "segmenter.safetensors")
    unet = UNet(width=2, depth=1)
    unet.logits(torch.rand(2, 3, 8, 8))  # so that it knows the spread of its images
    save_file(unet.state_dict(), folder / "unet.safetensors")
    if find_spec("transformers"):
        for kind in ("dpt", "sam"):
            write_network(folder / kind, kind)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


TestAttention = component_tests(
    "masker", "attention", options={"model": "test_vit", "weights": "vit.safetensors", "size": 48, "quantile": 0.5}
)
TestCenteredSquare = component_tests("masker", "centered_square")
TestColours = component_tests(
    "masker",
    "colours",
    options={"classes": {"dark": [30, 30, 30], "light": [220, 220, 220]}},
    recipe={"maskers": {"discriminator": {"masker": "colours", "foreground": [1]}}},
)
TestDepth = has_transformers(component_tests("masker", "depth", options={"weights": "dpt"}))
TestDifference = component_tests("masker", "difference", options={"of": ["otsu", {"masker": "round", "grow": 1}]})
TestFile = component_tests("masker", "file")
TestFull = component_tests("masker", "full")
TestIntersection = component_tests("masker", "intersection", options={"of": ["multi_rectangle", "file"]})
TestLearned = component_tests("masker", "learned", options={"width": 2})
TestMultiRectangle = component_tests("masker", "multi_rectangle")
TestOtsu = component_tests("masker", "otsu")
TestRound = component_tests("masker", "round")
TestSam = has_transformers(component_tests("masker", "sam", options={"weights": "sam"}))
TestSaliency = component_tests("masker", "saliency", options={"size": 16})
TestSegmenter = component_tests("masker", "segmenter", options={"model": SEGMENTER, "weights": "segmenter.safetensors"})
TestShared = component_tests(
    "masker",
    "shared",
    options={"role": "composite"},
    recipe={"maskers": {"composite": "full", "discriminator": {"masker": "shared"}}},
)
TestUnion = component_tests("masker", "union", options={"of": ["multi_rectangle", "otsu", "centered_square"]})
TestUnet = component_tests("masker", "unet", options={"weights": "unet.safetensors"})
