"""Memory formats on this machine: whole CycleGAN steps in each, and torch's norms that compute an instance norm."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.speed.contestants import MethodStep
from benchmarks.speed.stand_ins import draw_images
from benchmarks.speed.timing import alternate, append
from ganzoo.engine import layout

FORMATS = {"contiguous": 10**6, "channels_last": 0}
"""Format → side of images from which channels_last is used."""
SHAPES = ((16, 96, 8, 8), (2, 256, 32, 32), (2, 64, 128, 128))
NORMS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer norm": lambda maps: F.layer_norm(maps, maps.shape[2:]),
    "group norm": lambda maps: torch.group_norm(maps, maps.shape[1], None, None, 1e-5),
    "batch norm of each image": lambda maps: torch.cat([_batch_norm(image) for image in maps.split(1)]),
}


def measure(rounds: int) -> None:
    """Measure steps of 64 and 128 pixels, and forward and backward of each norm."""
    usual = layout.CHANNELS_LAST_FROM
    for size in (64, 128):
        for precision in ("fp32", "bf16"):
            contestants: dict[str, Callable[[], None]] = {}
            with TemporaryDirectory() as folder:
                draw_images(Path(folder), size * 143 // 128)
                for name, limit in FORMATS.items():
                    layout.CHANNELS_LAST_FROM = limit
                    contestants[name] = MethodStep("cyclegan", Path(folder), size, precision)
                layout.CHANNELS_LAST_FROM = usual
                _append(f"CycleGAN step, {size} px", precision, contestants, rounds)
    for shape in SHAPES:
        for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
            contestants = {}
            for name, norm in NORMS.items():
                for kind in FORMATS:
                    wanted = getattr(torch, "contiguous_format" if kind == "contiguous" else kind)
                    maps = torch.randn(shape).to(dtype).contiguous(memory_format=wanted)

                    def run(maps: Tensor = maps, norm: Callable[[Tensor], Tensor] = norm) -> None:
                        leaf = maps.detach().requires_grad_()
                        norm(leaf).backward(maps)

                    contestants[f"{name}, {kind}"] = run
            _append(f"norm of {'×'.join(map(str, shape))}", precision, contestants, 5 * rounds)


def _append(what: str, precision: str, contestants: dict[str, Callable[[], None]], rounds: int) -> None:
    times = alternate(contestants, rounds)
    append(
        "formats",
        [
            {
                "what": what,
                "precision": precision,
                "contestant": name,
                "milliseconds": round(1000 * statistics.median(one.wall), 2),
                "rounds": rounds,
            }
            for name, one in times.items()
        ],
    )


def _batch_norm(image: Tensor) -> Tensor:
    scale = torch.ones(image.shape[1]) if image.dtype == torch.bfloat16 else None
    return torch.batch_norm(image, scale, None, None, None, True, 0.0, 1e-5, False)
