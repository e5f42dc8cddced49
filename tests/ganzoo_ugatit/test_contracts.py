"""The method and its networks keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import UGATIT_SMALL

RECIPE = {"method": "ugatit", "networks": UGATIT_SMALL}

TestUgatit = component_tests("method", "ugatit", recipe={"networks": UGATIT_SMALL})
TestUgatitGenerator = component_tests("generator", "ugatit", options={"width": 2, "blocks": 1})
TestUgatitDiscriminator = component_tests("discriminator", "ugatit", options={"width": 2, "layers": [1]}, recipe=RECIPE)
