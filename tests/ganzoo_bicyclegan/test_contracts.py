"""Networks and the method of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import BICYCLE_SMALL

RECIPE = {
    "method": {"method": "bicyclegan", "encoder_blocks": 1},
    "networks": BICYCLE_SMALL,
    "data": {"dataset": "striped_digits", "size": 16, "held_out": 8, "train_limit": 8, "pairs": True},
}

TestStyleUnet = component_tests("generator", "style_unet", options={"width": 2, "levels": 2}, recipe=RECIPE)
TestPatchPyramid = component_tests("discriminator", "patch_pyramid", options={"width": 2, "layers": 1}, recipe=RECIPE)
TestBicyclegan = component_tests("method", "bicyclegan", recipe=RECIPE)
