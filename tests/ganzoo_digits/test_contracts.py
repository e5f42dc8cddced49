"""The data set and the metrics of the digits keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestStripedDigits = component_tests("dataset", "striped_digits", options={"size": 16, "held_out": 8, "train_limit": 8})
