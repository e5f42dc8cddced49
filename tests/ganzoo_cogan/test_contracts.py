"""The method of the plugin keeps the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import COGAN_OPTIONS

RECIPE = {"method": {"method": "cogan", **COGAN_OPTIONS}, "networks": None}

TestCogan = component_tests("method", "cogan", recipe=RECIPE)
