"""Networks and method of the plugin keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import MUNIT_SMALL

TestMunitGenerator = component_tests(
    "generator", "munit", options={"width": 2, "hidden": 4}, recipe={"method": "munit", "networks": MUNIT_SMALL}
)
TestMultiscale = component_tests("discriminator", "multiscale", options={"width": 2, "layers": 1, "scales": 2})
TestMunit = component_tests("method", "munit", recipe={"networks": MUNIT_SMALL})
