"""Networks and the method of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import AUGMENTED_OPTIONS, AUGMENTED_SMALL

RECIPE = {"method": {"method": "augmented_cyclegan", **AUGMENTED_OPTIONS}, "networks": AUGMENTED_SMALL}

TestStyleResnet = component_tests("generator", "style_resnet", options={"width": 2, "blocks": 1}, recipe=RECIPE)
TestAffinePatch = component_tests("discriminator", "affine_patch", options={"width": 2, "layers": 1}, recipe=RECIPE)
TestAugmentedCyclegan = component_tests("method", "augmented_cyclegan", recipe=RECIPE)
