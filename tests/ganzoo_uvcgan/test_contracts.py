"""Networks and methods of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

GENERATOR = {"width": 2, "levels": 2, "size": 4, "heads": 2, "blocks": 1}
DISCRIMINATOR = {"width": 2, "layers": 1}
NETWORKS = {"G": {"generator": "vit_unet", **GENERATOR}, "D": {"discriminator": "batch_head", **DISCRIMINATOR}}

TestVitUnet = component_tests("generator", "vit_unet", options=GENERATOR)
TestBatchHead = component_tests("discriminator", "batch_head", options=DISCRIMINATOR)
TestBatchNormHead = component_tests("discriminator", "batch_head", options={**DISCRIMINATOR, "head": "norm"})
TestUvcgan2 = component_tests("method", "uvcgan2", options={"memory": 2}, recipe={"networks": NETWORKS})
TestInpainting = component_tests(
    "method", "inpainting", options={"square": 4}, recipe={"networks": {"G": NETWORKS["G"]}}
)
