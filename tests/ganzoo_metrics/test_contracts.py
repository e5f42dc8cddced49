"""The metrics that need no pretrained network keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import MUNIT_SMALL

PAIRS = {"data": {"dataset": "striped_digits", "size": 16, "held_out": 5, "train_limit": 8}}
STYLES = {"method": "munit", "networks": MUNIT_SMALL}
TestCycleL1 = component_tests("metric", "cycle_l1")
TestIdentityL1 = component_tests("metric", "identity_l1")
TestPairL1 = component_tests("metric", "pair_l1", recipe=PAIRS)
TestPsnr = component_tests("metric", "psnr", recipe=PAIRS)
TestSsim = component_tests("metric", "ssim", recipe=PAIRS)
TestBackgroundL1 = component_tests("metric", "background_l1")
TestAdaptationAccuracy = component_tests(
    "metric", "adaptation_accuracy", options={"label": "digit", "epochs": 1}, recipe=PAIRS
)
TestSwd = component_tests("metric", "swd", options={"patches": 8, "projections": 16})
TestStyleShare = component_tests("metric", "style_share", recipe=STYLES)
TestStyleRecovery = component_tests("metric", "style_recovery", recipe=STYLES)
