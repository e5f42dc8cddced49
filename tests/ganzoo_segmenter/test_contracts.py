"""The method and its metric keep the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

RECIPE = {"method": "segmenter", "networks": {"S": {"masker": "unet", "width": 2, "depth": 1}}}
TestSegmenter = component_tests("method", "segmenter", recipe=RECIPE)
TestMaskIou = component_tests("metric", "mask_iou", recipe=RECIPE)
