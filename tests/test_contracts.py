"""Every bundled component is tested by the contracts of ``ganzoo.testing``, or is left out for a reason."""

from __future__ import annotations

import importlib
from pathlib import Path

from ganzoo.plugins import find_entry_points, plugins
from ganzoo.testing.component import ComponentContracts

ROOT = Path(__file__).resolve().parent
LEFT_OUT = {
    "an own test module has its pretrained networks": (
        *("background_lpips", "clip_similarity", "cmmd", "density_coverage", "dists", "entropy_classification"),
        *("entropy_detection", "entropy_segmentation", "fd", "fid", "precision_recall"),
        *("fid_legacy_pytorch", "fid_legacy_tensorflow", "identity_distance", "kd", "kid", "lpips", "lpips_diversity"),
        "miou",
    ),
    "it learns a classifier for minutes": ("digits", "digits_distance"),
    "it compares with the training images, more than a tiny run has": ("overfitting",),
    "own test modules write its files": ("huggingface", "lists", "npz", "torchvision", "webdataset"),
}
"""Reason → names of the components."""


def test_every_bundled_component_is_tested() -> None:
    tested = set()
    for file in sorted(ROOT.glob("ganzoo_*/test_contracts.py")):
        module = importlib.import_module(f"tests.{file.parent.name}.test_contracts")
        for one in vars(module).values():
            if isinstance(one, type) and issubclass(one, ComponentContracts):
                tested.add((one.kind, one.name))
    bundled = {one.name for one in find_entry_points() if not one.dist or one.dist.name == "ganzoo-i2i"}
    known = {(one.kind, one.name) for one in plugins().registry.find() if one.plugin in bundled}
    left_out = {name for names in LEFT_OUT.values() for name in names}
    assert tested <= known
    assert {name for _, name in known - tested} == left_out
