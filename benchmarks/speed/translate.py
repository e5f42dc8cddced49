"""Translating files against a bare forward pass of the same network: the cost of reading and writing beside it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image

import ganzoo
from benchmarks.speed.timing import alternate, append
from ganzoo.inference.files import translate_files
from ganzoo.plugins import plugins

SIZES = {64: 200, 256: 200, 2000: 2}
"""Side of the images, in pixels → how many are translated in a round."""


def measure(sizes: Sequence[int], rounds: int) -> None:
    """Translate PNG files with CycleGAN's generator of 9 blocks, and call the network on as many tensors, one by one.

    A translation includes loading the run.
    """
    network = plugins().registry.get("generator", "resnet").load()(3, 3).eval()
    recipe = {
        "method": "cyclegan",
        "networks": {"G": {"generator": "resnet"}, "D": {"discriminator": "patch"}},
        "data": {"dataset": "folders", "root": "none"},
        "train": {"steps": 1},
    }
    progress = {"step": 0, "bad": 0, "best": None, "channels": {"A": 3, "B": 3}, "classes": {}}
    rows = []
    with TemporaryDirectory() as name, torch.no_grad():
        folder = Path(name)
        ganzoo.write_run(folder / "run", recipe, {"G_AB": network.state_dict()}, progress)
        for size in sizes:
            count = SIZES[size]
            (folder / str(size)).mkdir()
            for number in range(count):
                coarse = np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)
                image = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC)
                image.save(folder / f"{size}/{number:03}.png")
            image_tensor = torch.rand(1, 3, size, size) * 2 - 1

            def forward(tensor: torch.Tensor = image_tensor, count: int = count) -> None:
                for _ in range(count):
                    network(tensor)

            def translate(size: int = size) -> None:
                translate_files(
                    folder / "run", [folder / str(size)], folder / "out", direction="AB", size="original", device="cpu"
                )

            times = alternate({"bare forward": forward, "ganzoo translate": translate}, rounds)
            rows += [
                {
                    "size": size,
                    "contestant": contestant,
                    "images_per_s": float(f"{count / statistics.median(one.wall):.4g}"),
                    "share_of_bare": round(one.ratio(times["bare forward"]), 3),
                    "images": count,
                    "rounds": rounds,
                }
                for contestant, one in times.items()
            ]
    append("translate", rows)
