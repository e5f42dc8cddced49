"""Translating a large image by tiles against the whole: difference, memory and time."""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import ganzoo
from benchmarks.speed.timing import append
from ganzoo.plugins import plugins
from ganzoo.utils.memory import measure_tensors

HEIGHT, WIDTH = 2000, 3000
SIDES = (512, 256)
"""Sides of the tiles, in pixels."""


def measure(rounds: int) -> None:
    """Translate noise with CycleGAN's generator of 9 blocks and width 64, once; its weights are four times the initial.

    ``rounds`` is not used. Tracing is timed with the tiles that are first.
    """
    network = plugins().registry.get("generator", "resnet").load()(3, 3)
    weights = {name: weight * 4 if name.endswith("weight") else weight for name, weight in network.state_dict().items()}
    recipe = {
        "method": "cyclegan",
        "networks": {"G": {"generator": "resnet"}, "D": {"discriminator": "patch"}},
        "data": {"dataset": "folders", "root": "none"},
        "train": {"steps": 1},
    }
    progress = {"step": 0, "bad": 0, "best": None, "channels": {"A": 3, "B": 3}, "classes": {}}
    image = torch.rand(3, HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) * 2 - 1
    rows: list[dict[str, object]] = []
    with TemporaryDirectory() as name:
        ganzoo.write_run(Path(name) / "run", recipe, {"G_AB": weights}, progress)
        translator = ganzoo.load(Path(name) / "run", device="cpu")
        translations: list[torch.Tensor] = []
        for tile in ("none", *SIDES):
            started = time.process_time()
            peak = measure_tensors(
                lambda tile=tile: translations.append(translator.translate(image, tile=tile)),  # type: ignore[misc]
                torch.device("cpu"),
            )
            seconds = time.process_time() - started
            steps = (translations[-1] - translations[0]).abs() * 127.5  # of 255
            rows.append(
                {
                    "tile": tile,
                    "process_seconds": round(seconds, 1),
                    "tensors_mib": peak >> 20,
                    "share_of_whole": 1.0
                    if tile == "none"
                    else round((peak >> 20) / int(str(rows[0]["tensors_mib"])), 2),
                    "largest_difference": round(float(steps.max()), 3),
                    "share_within_one": round(float((steps <= 1).float().mean()), 6),
                }
            )
    append("tiles", rows)
