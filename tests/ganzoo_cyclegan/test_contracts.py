"""Networks and method of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestResnet = component_tests("generator", "resnet", options={"width": 2, "blocks": 1})
TestUnet = component_tests("generator", "unet", options={"width": 2, "levels": 3})
TestPatch = component_tests("discriminator", "patch", options={"width": 2, "layers": 1})
TestPixel = component_tests("discriminator", "pixel", options={"width": 2})
TestCyclegan = component_tests(
    "method",
    "cyclegan",
    options={"pool": 2},
    recipe={
        "networks": {
            "G": {"generator": "resnet", "width": 2, "blocks": 1},
            "D": {"discriminator": "patch", "width": 2, "layers": 1},
        }
    },
)
