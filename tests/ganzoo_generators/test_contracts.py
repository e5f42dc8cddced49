"""The generators of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestNafnet = component_tests(
    "generator", "nafnet", options={"width": 2, "encoder": [1, 1], "middle": 1, "decoder": [1, 1]}
)
TestStylegan2Resnet = component_tests("generator", "stylegan2_resnet", options={"width": 2, "blocks": 2})
TestTimmUnet = component_tests(
    "generator", "timm_unet", options={"model": "test_convnext", "pretrained": False, "levels": 2, "width": 2}
)
