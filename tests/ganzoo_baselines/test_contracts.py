"""Networks and methods of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestSmoothResnet = component_tests("generator", "smooth_resnet", options={"width": 2, "blocks": 1})
TestUnitGenerator = component_tests(
    "generator",
    "unit",
    options={"width": 2, "blocks": 1},
    recipe={"method": "unit", "networks": {"D": {"discriminator": "multiscale", "width": 2, "layers": 1}}},
)
TestSmoothPatch = component_tests("discriminator", "smooth_patch", options={"width": 2, "layers": 1})
