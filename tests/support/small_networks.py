"""Small networks, as in a recipe's ``networks``."""

from __future__ import annotations

from typing import Any

MUNIT_SMALL: dict[str, Any] = {
    "G": {"generator": "munit", "width": 2, "hidden": 4, "blocks": 1, "style": 3},
    "D": {"discriminator": "multiscale", "width": 2, "layers": 2, "scales": 2},
}
DRIT_SMALL: dict[str, Any] = {
    "G": {"generator": "drit", "width": 2, "blocks": 1, "attributes": 3},
    "D": {"discriminator": "multiscale", "width": 2, "layers": 2, "scales": 2, "slope": 0.01},
}
BICYCLE_SMALL: dict[str, Any] = {
    "G": {"generator": "style_unet", "width": 2, "levels": 2, "style": 3},
    "D": {"discriminator": "patch_pyramid", "width": 2, "layers": 1},
}
AUGMENTED_OPTIONS: dict[str, Any] = {"encoder_width": 2, "encoder_downs": 1, "latent_width": 4, "norm": "none"}
AUGMENTED_SMALL: dict[str, Any] = {
    "G": {"width": 2, "blocks": 1},
    "D": {"discriminator": "affine_patch", "width": 2, "layers": 1},
}
SIMGAN_OPTIONS: dict[str, Any] = {"pretrain_refiner": 0, "pretrain_discriminator": 0, "history": 2}
SIMGAN_SMALL: dict[str, Any] = {
    "G": {"generator": "refiner", "width": 4, "blocks": 1},
    "D": {"discriminator": "local_patch", "width": 6},
}
COGAN_OPTIONS: dict[str, Any] = {
    "width": 2,
    "levels": 2,
    "latent": 4,
    "norm": "instance",
    "search_steps": 3,
    "starts": 2,
}
