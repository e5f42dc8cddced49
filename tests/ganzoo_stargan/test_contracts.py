"""Networks and method of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import STAR_OPTIONS, STAR_SMALL

RECIPE = {"method": {"method": "starganv2", **STAR_OPTIONS}, "networks": STAR_SMALL}

TestGenerator = component_tests("generator", "starganv2", options={"width": 2, "downs": 1, "style": 3}, recipe=RECIPE)
TestDiscriminator = component_tests("discriminator", "starganv2", options={"width": 2, "downs": 1}, recipe=RECIPE)
TestMethod = component_tests("method", "starganv2", options=STAR_OPTIONS, recipe={"networks": STAR_SMALL})
