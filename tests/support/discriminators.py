"""Small discriminators of the plugin ``ganzoo_discriminators``, as in a recipe's ``networks``."""

from __future__ import annotations

from typing import Any

SMALL_DISCRIMINATORS: dict[str, dict[str, Any]] = {
    "projected": {"model": "test_efficientnet", "pretrained": False, "width": 2, "size": 128},
    "pyramid": {"of": {"discriminator": "patch", "width": 2, "layers": 1}, "scales": 2},
    "stylegan2": {"width": 2, "layers": 1, "group": 2},
    "unet_discriminator": {"width": 2, "layers": 2},
}
"""Name → options."""
