"""Small runs of every method, and files of them held against the runs, for the tests of exporting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import ganzoo
from tests.support.untrained_runs import untrained

RESNET = {"generator": "resnet", "width": 2, "blocks": 0}
UNET = {"generator": "unet", "width": 2, "levels": 2, "norm": "batch", "dropout": True}
SMOOTH = {"generator": "smooth_resnet", "width": 2, "blocks": 0}
PATCH = {"discriminator": "patch", "width": 2, "layers": 1}
MULTISCALE = {"discriminator": "multiscale", "width": 2, "layers": 1, "scales": 2}
CUT = {"method": {"layers": [0, 4]}, "networks": {"G": SMOOTH, "D": PATCH}}
PARTS: dict[str, dict[str, Any]] = {
    "cyclegan": {"networks": {"G": RESNET, "D": PATCH}},
    "mask_cyclegan": {"networks": {"G": RESNET, "D": PATCH}, "maskers": {"input": "multi_rectangle"}},
    "smcyclegan": {"networks": {"G": RESNET, "D": PATCH}, "maskers": {"discriminator": "full"}},
    "art2real": {"method": {"bank": "nowhere"}, "networks": {"G": RESNET, "D": PATCH}},
    "pix2pix": {"networks": {"G": UNET, "D": PATCH}},
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
    "cut": CUT,
    "fastcut": CUT,
    "segmenter": {"networks": {"S": {"masker": "unet", "width": 2, "depth": 1}}},
}
"""A small recipe of each method; a method that is new has to be named, here or below."""
REFUSED = {"untranslated", "gatys"}
"""Methods that have no network to export."""
FIXED = dict.fromkeys(("segmenter", "smcyclegan", "art2real", "fastcut"), (18, 22))
"""Methods whose network cannot be traced for any size, and those that translate as others here, for speed."""


def make(folder: Path, name: str = "cyclegan", /, **changes: Any) -> Path:
    """Return the run of a method, with other sections of its recipe."""
    parts = {**PARTS.get(name, {}), **changes}
    return untrained(folder / "tiny/default", {**parts, "method": {"method": name, **parts.get("method", {})}})


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def inputs_of(about: dict[str, Any], batch: int, height: int, width: int) -> dict[str, Tensor]:
    """Return inputs as a file says that it takes them."""
    sizes = {"batch": batch, "height": height, "width": width}
    shapes = {name: [sizes.get(one, one) for one in told["shape"]] for name, told in about["inputs"].items()}
    found = {name: drawn(*shape, seed=len(name)) for name, shape in shapes.items()}
    return {name: (one > 0).float() if name == "mask" else one for name, one in found.items()}


def load(file: Path) -> Callable[..., Tensor]:
    """Load a file with what is not ganzoo's."""
    if file.suffix == ".pt2":
        return torch.export.load(file).module()
    import onnxruntime

    session = onnxruntime.InferenceSession(file)
    return lambda **given: torch.from_numpy(session.run(None, {name: one.numpy() for name, one in given.items()})[0])


def assert_translates(run: Path, file: Path, about: dict[str, Any]) -> None:
    """Hold a file against the run, at sizes that nothing divides, with several images and with one."""
    loaded, translator = load(file), ganzoo.load(run, device="cpu")
    shape = about["inputs"]["images"]["shape"]
    sizes = ((3, 17, 22), (1, 31, 9)) if shape[2] == "height" else ((2, *shape[2:]),)
    for batch, height, width in sizes:
        given = inputs_of(about, batch, height, width)
        step = translator.step_of(given["images"], about["direction"], given.get("mask"), style=given.get("style"))
        made, expected = loaded(**given).detach(), step["translated"]
        assert made.shape == expected.shape and made.std() > 1e-3
        torch.testing.assert_close(made, expected, rtol=0, atol=1e-4)
