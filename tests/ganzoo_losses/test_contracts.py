"""The losses keep the contracts of ``ganzoo.testing``; those with networks get small random weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import timm
import torch
from safetensors.torch import save_file

from ganzoo.testing import component_tests
from ganzoo_maskers.unet import UNet
from tests.support.vgg_networks import write_vgg


@pytest.fixture(autouse=True, scope="module")
def _weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the weights that the options name, and change to their folder."""
    folder = tmp_path_factory.mktemp("weights")
    for depth in (16, 19):
        write_vgg(folder / f"vgg{depth}.safetensors", depth)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        save_file(timm.create_model("test_resnet").state_dict(), folder / "resnet.safetensors")
        unet = UNet(width=2, depth=1)
        unet.logits(torch.rand(2, 3, 8, 8))  # so that it knows the spread of its images
    save_file(unet.state_dict(), folder / "unet.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


def near_source(loss: str) -> dict[str, object]:
    """Return a recipe in which the loss compares a translation with its source."""
    return {"losses": {loss: {"loss": loss, "of": {"image": "fake_B", "target": "real_A"}}}}


def translation(loss: str) -> dict[str, object]:
    """Return a recipe in which the loss reads an image and its translation."""
    return {"losses": {loss: {"loss": loss, "of": {"image": "real_A", "translation": "fake_B"}}}}


TestL1 = component_tests("loss", "l1")
TestTotalVariation = component_tests("loss", "total_variation")
TestBackground = component_tests("loss", "background")
TestColour = component_tests("loss", "colour", options={"bins": 5, "side": 3})
TestEdges = component_tests("loss", "edges")
TestFrequency = component_tests("loss", "frequency")
TestSSIM = component_tests("loss", "ssim")
TestMSSSIM = component_tests("loss", "ms_ssim", options={"scales": 2, "window": 5})
TestPerceptual = component_tests("loss", "perceptual", options={"weights": "vgg16.safetensors"})
TestGram = component_tests("loss", "gram", options={"weights": "vgg19.safetensors"})
TestIdentityEmbedding = component_tests(
    "loss", "identity_embedding", options={"network": "test_resnet", "weights": "resnet.safetensors"}
)
TestSegmentationConsistency = component_tests(
    "loss",
    "segmentation_consistency",
    recipe={
        "maskers": {"labels": {"masker": "unet", "weights": "unet.safetensors"}},
        "losses": {
            "scene": {
                "loss": "segmentation_consistency",
                "of": {"image": "fake_B", "masks": "labels_mask_real_A"},
            }
        },
    },
)
TestPatchNCE = component_tests(
    "loss", "patch_nce", options={"layers": [0, 1, 3], "size": 4, "patches": 8}, recipe=near_source("patch_nce")
)
TestFeatureMatching = component_tests("loss", "feature_matching")
TestGeometry = component_tests("loss", "geometry", recipe=translation("geometry"))
TestDistance = component_tests("loss", "distance", recipe=translation("distance"))
