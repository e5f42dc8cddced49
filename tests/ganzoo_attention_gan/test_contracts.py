"""The method and its generator keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests
from tests.support.small_networks import ATTENTION_SMALL

TestAttentionGan = component_tests("method", "attention_gan", recipe={"networks": ATTENTION_SMALL})
TestAttentionGenerator = component_tests("generator", "attention", options={"width": 2, "blocks": 1, "masks": 3})
