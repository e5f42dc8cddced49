"""Small networks, as in a recipe's ``networks``."""

from __future__ import annotations

from typing import Any

ATTENTION_SMALL: dict[str, Any] = {
    "G": {"generator": "attention", "width": 2, "blocks": 1, "masks": 3},
    "D": {"discriminator": "patch", "width": 2, "layers": 1},
}
MUNIT_SMALL: dict[str, Any] = {
    "G": {"generator": "munit", "width": 2, "hidden": 4, "blocks": 1, "style": 3},
    "D": {"discriminator": "multiscale", "width": 2, "layers": 2, "scales": 2},
}
DRIT_SMALL: dict[str, Any] = {
    "G": {"generator": "drit", "width": 2, "blocks": 1, "attributes": 3},
    "D": {"discriminator": "multiscale", "width": 2, "layers": 2, "scales": 2, "slope": 0.01},
}
STAR_SMALL: dict[str, Any] = {
    "G": {"generator": "starganv2", "width": 2, "downs": 1, "style": 3},
    "D": {"discriminator": "starganv2", "width": 2, "downs": 1},
}
STAR_OPTIONS: dict[str, Any] = {"latent": 3, "hidden": 4, "style_downs": 1}
"""The options of the method that uses ``STAR_SMALL``."""
UGATIT_SMALL: dict[str, Any] = {
    "G": {"generator": "ugatit", "width": 2, "blocks": 1},
    "D": {"discriminator": "ugatit", "width": 2, "layers": [1]},
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
