"""The losses keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestL1 = component_tests("loss", "l1")
TestTotalVariation = component_tests("loss", "total_variation")
