"""Networks and methods of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganzoo.testing import component_tests
from tests.support.small_networks import DRIT_SMALL
from tests.support.vgg_networks import write_vgg

MULTISCALE = {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2}
UNIT = {"method": "unit", "networks": {"G": {"generator": "unit", "width": 2, "blocks": 1}, "D": MULTISCALE}}
DRIT = {"method": {"method": "drit", "content_layers": 0}, "networks": DRIT_SMALL}
SMOOTH = {
    "G": {"generator": "smooth_resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "smooth_patch", "width": 2, "layers": 1},
}


@pytest.fixture(autouse=True, scope="module")
def _weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the weights that gatys reads, and change to their folder."""
    folder = tmp_path_factory.mktemp("weights")
    write_vgg(folder / "vgg19.safetensors", 19)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


TestSmoothResnet = component_tests("generator", "smooth_resnet", options={"width": 2, "blocks": 1})
TestUnitGenerator = component_tests("generator", "unit", options={"width": 2, "blocks": 1}, recipe=UNIT)
TestDritGenerator = component_tests("generator", "drit", options={"width": 2, "blocks": 1}, recipe=DRIT)
TestSmoothPatch = component_tests("discriminator", "smooth_patch", options={"width": 2, "layers": 1})
TestUnit = component_tests("method", "unit", recipe=UNIT)
TestDrit = component_tests("method", "drit", recipe=DRIT)
TestCut = component_tests(
    "method", "cut", options={"layers": [0, 4, 8], "patches": 8, "size": 6}, recipe={"networks": SMOOTH}
)
TestFastcut = component_tests(
    "method", "fastcut", options={"layers": [0, 4, 8], "patches": 8, "size": 6}, recipe={"networks": SMOOTH}
)
TestNegcut = component_tests(
    "method",
    "negcut",
    options={"layers": [0, 4, 8], "patches": 8, "size": 6, "negatives": 4},
    recipe={"networks": SMOOTH},
)
TestDclgan = component_tests(
    "method", "dclgan", options={"layers": [0, 4, 8], "patches": 8, "size": 6}, recipe={"networks": SMOOTH}
)
TestPix2pix = component_tests(
    "method",
    "pix2pix",
    recipe={
        "networks": {
            "G": {"generator": "resnet", "width": 2, "blocks": 1},
            "D": {"discriminator": "patch", "width": 2, "layers": 1, "norm": "instance"},
        },
        "data": {"dataset": "striped_digits", "size": 16, "held_out": 8, "train_limit": 8, "pairs": True},
    },
)
TestGatys = component_tests("method", "gatys", options={"weights": "vgg19.safetensors", "steps": 2, "paintings": 2})
TestUntranslated = component_tests("method", "untranslated")
