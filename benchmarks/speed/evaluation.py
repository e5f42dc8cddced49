"""Evaluation of a run's test split against the bare forward passes that its metrics need."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

import ganzoo
from benchmarks.speed.contestants import PRECISIONS
from benchmarks.speed.stand_ins import draw_images, registry
from benchmarks.speed.timing import alternate, append
from ganzoo.evaluation.runs import evaluate_targets

SIZES = {64: 100, 256: 16}
"""Side of the images, in pixels → how many of each domain are measured in a round."""
BATCH = 4


def measure(rounds: int) -> None:
    """Evaluate an untrained CycleGAN with 9 blocks by ``cycle_l1`` and ``identity_l1``, and call its networks as often.

    Each image is translated, reconstructed, and mapped to its own domain.
    """
    rows = []
    for size, count in SIZES.items():
        with TemporaryDirectory() as name, torch.no_grad():
            folder = Path(name)
            draw_images(folder, size)  # the data set needs training images, too
            draw_images(folder, size, "test", count)
            networks = {slot: registry.get("generator", "resnet").load()(3, 3).eval() for slot in ("G_AB", "G_BA")}
            contestants: dict[str, Callable[[], None]] = {}
            for precision in PRECISIONS:
                _write_run(folder / precision, networks, size, precision)
                contestants[f"bare forward {precision}"] = _bare_forward(networks, size, count, precision)
            for precision in PRECISIONS:
                contestants[f"ganzoo evaluate {precision}"] = _evaluation(folder / precision, folder)
            times = alternate(contestants, rounds)
        for contestant, one in times.items():
            bare = times[f"bare forward {contestant[-4:]}"]
            rows.append(
                {
                    "size": size,
                    "contestant": contestant,
                    "images_per_s": round(2 * count / statistics.median(one.wall), 2),
                    "share_of_bare": round(one.ratio(bare), 3),
                    "images": 2 * count,
                    "rounds": rounds,
                }
            )
    append("evaluation", rows)


def _write_run(run: Path, networks: dict[str, torch.nn.Module], size: int, precision: str) -> None:
    recipe = {
        "method": {"method": "cyclegan"},
        "networks": {"G": {"generator": "resnet"}, "D": {"discriminator": "patch"}},
        "data": {"dataset": "folders", "root": "none"},
        "images": {"size": size},
        "train": {"steps": 1, "precision": precision},
        "evaluate": {"metrics": ["cycle_l1", "identity_l1"], "batch": BATCH},
    }
    progress = {"step": 0, "bad": 0, "best": None, "channels": {"A": 3, "B": 3}, "classes": {}}
    ganzoo.write_run(run, recipe, {slot: network.state_dict() for slot, network in networks.items()}, progress)


def _bare_forward(networks: dict[str, torch.nn.Module], size: int, count: int, precision: str) -> Callable[[], None]:
    images = torch.rand(BATCH, 3, size, size) * 2 - 1

    def forward() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            for _ in range(count // BATCH):
                for network in networks.values():
                    for _ in range(3):
                        network(images)

    return forward


def _evaluation(run: Path, images: Path) -> Callable[[], None]:
    def evaluate() -> None:
        with redirect_stdout(StringIO()):
            evaluate_targets([run], changes=[f"data.root={images}"], device="cpu")

    return evaluate
