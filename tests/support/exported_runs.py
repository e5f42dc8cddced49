"""Small runs of every method, and a comparison of exported files with them, for the export tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganzoo
from tests.support.small_networks import (
    ATTENTION_SMALL,
    AUGMENTED_OPTIONS,
    AUGMENTED_SMALL,
    BICYCLE_SMALL,
    SIMGAN_OPTIONS,
    SIMGAN_SMALL,
    STAR_OPTIONS,
    STAR_SMALL,
    UGATIT_SMALL,
)
from tests.support.untrained_runs import write_untrained_run

RESNET = {"generator": "resnet", "width": 2, "blocks": 0}
UNET = {"generator": "unet", "width": 2, "levels": 2, "norm": "batch", "dropout": True}
SMOOTH = {"generator": "smooth_resnet", "width": 2, "blocks": 0}
VIT = {"generator": "vit_unet", "width": 8, "levels": 1, "size": 8, "heads": 2, "blocks": 1, "norm": "instance"}
PATCH = {"discriminator": "patch", "width": 2, "layers": 1}
MULTISCALE = {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2}
CUT = {"method": {"layers": [0, 4]}, "networks": {"G": SMOOTH, "D": PATCH}}
PARTS: dict[str, dict[str, Any]] = {
    "cyclegan": {"networks": {"G": RESNET, "D": PATCH}},
    "mask_cyclegan": {"networks": {"G": RESNET, "D": PATCH}, "maskers": {"input": "multi_rectangle"}},
    "smcyclegan": {"networks": {"G": RESNET, "D": PATCH}, "maskers": {"discriminator": "full"}},
    "art2real": {"method": {"bank": "nowhere"}, "networks": {"G": RESNET, "D": PATCH}},
    "pix2pix": {"networks": {"G": UNET, "D": PATCH}},
    "attention_gan": {"networks": ATTENTION_SMALL},
    "ugatit": {"networks": UGATIT_SMALL},
    "munit": {"networks": {"G": {"generator": "munit", "width": 2, "blocks": 1, "hidden": 4}, "D": MULTISCALE}},
    "unit": {
        "method": {"share": 1},
        "networks": {"G": {"generator": "unit", "width": 2, "blocks": 1}, "D": MULTISCALE},
    },
    "drit": {
        "method": {"content_layers": 0},
        "networks": {"G": {"generator": "drit", "width": 2, "blocks": 1, "attributes": 2}, "D": MULTISCALE},
        "train": {"steps": 1, "batch": 2},
    },
    "starganv2": {"method": STAR_OPTIONS, "networks": STAR_SMALL, "train": {"steps": 1, "batch": 2}},
    "cut": CUT,
    "dclgan": CUT,
    "fastcut": CUT,
    "negcut": CUT,
    "uvcgan2": {
        "networks": {
            "G": VIT,
            "D": {"discriminator": "batch_head", "width": 2, "layers": 1},
        }
    },
    "inpainting": {"networks": {"G": VIT}},
    "bicyclegan": {"method": {"encoder_blocks": 1}, "networks": BICYCLE_SMALL, "train": {"steps": 1, "batch": 2}},
    "augmented_cyclegan": {"method": AUGMENTED_OPTIONS, "networks": AUGMENTED_SMALL},
    "simgan": {"method": SIMGAN_OPTIONS, "networks": SIMGAN_SMALL},
    "segmenter": {"networks": {"S": {"masker": "unet", "width": 2, "depth": 1}}},
}
"""A small recipe of each method; a new method must be added here or to ``REFUSED``."""
REFUSED = {"untranslated", "gatys", "cogan"}
"""Methods that have no network to export, or that translate by a search from random starting points."""
FIXED = dict.fromkeys(("segmenter", "smcyclegan", "art2real", "fastcut"), (18, 22))
"""Fixed sizes: for methods that cannot be traced for any size, and, to save time, for those that share a network."""


def create_run(folder: Path, name: str = "cyclegan", /, **changes: Any) -> Path:
    """Write an untrained run of a method, with other sections of its recipe; return its folder."""
    parts = {**PARTS.get(name, {}), **changes}
    return write_untrained_run(
        folder / "tiny/default", {**parts, "method": {"method": name, **parts.get("method", {})}}
    )


def random_tensor(*shape: int, seed: int = 0) -> Tensor:
    """Return uniform random values in [−1, 1]."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def create_inputs(metadata: dict[str, Any], batch: int, height: int, width: int) -> dict[str, Tensor]:
    """Return random inputs with the names and shapes that a file's metadata lists."""
    sizes = {"batch": batch, "height": height, "width": width}
    shapes = {name: [sizes.get(axis, axis) for axis in item["shape"]] for name, item in metadata["inputs"].items()}
    inputs = {name: random_tensor(*shape, seed=len(name)) for name, shape in shapes.items()}
    return {name: (tensor > 0).float() if name == "mask" else tensor for name, tensor in inputs.items()}


def load(file: Path) -> Callable[..., Tensor]:
    """Load an exported file without ganzoo."""
    if file.suffix == ".pt2":
        return torch.export.load(file).module()
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    return lambda **inputs: torch.from_numpy(
        session.run(None, {key: value.numpy() for key, value in inputs.items()})[0]
    )


def assert_translates(run: Path, file: Path, metadata: dict[str, Any]) -> None:
    """Compare a file with the run, for sizes that are no multiples of a stride, and for several images and one."""
    loaded, translator = load(file), ganzoo.load(run, device="cpu")
    shape = metadata["inputs"]["images"]["shape"]
    sizes = ((3, 17, 22), (1, 31, 9)) if shape[2] == "height" else ((2, *shape[2:]),)
    for batch, height, width in sizes:
        inputs = create_inputs(metadata, batch, height, width)
        images, mask, style = inputs["images"], inputs.get("mask"), inputs.get("style")
        expected = translator.translate_step(images, metadata["direction"], mask, style=style)["translated"]
        output = loaded(**inputs).detach()
        assert output.shape == expected.shape and output.std() > 1e-3
        torch.testing.assert_close(output, expected, rtol=0, atol=1e-4)
