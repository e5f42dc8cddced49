"""The discriminators of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.discriminators import SMALL_DISCRIMINATORS

TestProjected = component_tests("discriminator", "projected", options=SMALL_DISCRIMINATORS["projected"])
TestPyramid = component_tests("discriminator", "pyramid", options=SMALL_DISCRIMINATORS["pyramid"])
TestStyleGAN2 = component_tests("discriminator", "stylegan2", options=SMALL_DISCRIMINATORS["stylegan2"])
TestUNetDiscriminator = component_tests(
    "discriminator", "unet_discriminator", options=SMALL_DISCRIMINATORS["unet_discriminator"]
)
