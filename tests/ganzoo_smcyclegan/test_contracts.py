"""The method keeps the contracts of ``ganzoo.testing``."""

from __future__ import annotations

from ganzoo.testing import component_tests

TestSmcyclegan = component_tests(
    "method",
    "smcyclegan",
    recipe={
        "networks": {
            "G": {"generator": "resnet", "width": 2, "blocks": 1},
            "D": {"discriminator": "patch", "width": 2, "layers": 1},
        },
        "maskers": {"discriminator": "multi_rectangle"},
    },
)
