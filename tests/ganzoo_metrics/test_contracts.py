"""The metrics that need no pretrained network keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestCycleL1 = component_tests("metric", "cycle_l1")
TestIdentityL1 = component_tests("metric", "identity_l1")
