"""Networks and the method of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import SIMGAN_OPTIONS, SIMGAN_SMALL

RECIPE = {"method": {"method": "simgan", **SIMGAN_OPTIONS}, "networks": SIMGAN_SMALL}

TestRefiner = component_tests("generator", "refiner", options={"width": 4, "blocks": 1}, recipe=RECIPE)
TestLocalPatch = component_tests("discriminator", "local_patch", options={"width": 24}, recipe=RECIPE)
TestSimgan = component_tests("method", "simgan", recipe=RECIPE)
