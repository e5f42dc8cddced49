"""Whole training steps of each method, from the reader's images to stepped optimizers, at its published width."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

from benchmarks.speed.textbook import TextbookCycleGAN
from benchmarks.speed.timing import alternate, append
from ganzoo.build import Experiment
from ganzoo.data.loader import micro_steps
from ganzoo.engine.distributed import start_accelerator
from ganzoo.recipe.reader import read_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PAIRS = "data={layout: folders, A: null}"
METHODS: dict[str, tuple[str, ...]] = {
    "cyclegan": ("cyclegan",),
    "mask_cyclegan": ("mask_horse2zebra",),
    "munit": ("munit_faces", "data.classes=null", "evaluate.metrics=[]"),
    "unit": ("unit",),
    "drit": ("drit",),
    "cut": ("cut",),
    "fastcut": ("fastcut",),
    "pix2pix": ("pix2pix", PAIRS),
}
"""Method → its published recipe, and overrides for folders of photographs."""
IMAGES = 4


class MethodStep:
    """Trains a recipe; each call is a step of one image of each domain, or of as many as the method groups.

    Args:
        name: a method of ``METHODS``.
        images: a folder with trainA and trainB.
        size: side of the images, in pixels.
        precision: ``fp32`` or ``bf16``.
    """

    def __init__(self, name: str, images: Path, size: int, precision: str) -> None:
        recipe, *changes = METHODS[name]
        load = size * 143 // 128
        common = [
            f"data.root={images}", "data.validation=0", f"images.size={size}", f"images.load={load}",
            f"train.precision={precision}", "evaluate={metrics: [], best: null, every: 0}",
        ]  # fmt: skip
        self.recipe = read_recipe(RECIPES / f"{recipe}.yaml", [*common, *changes])
        self.experiment = Experiment(self.recipe, start_accelerator(device="cpu"), training=True)
        self.engine = self.experiment.engine
        self.index = 0

    def __call__(self) -> None:
        """Train one step."""
        index, seed = self.index, self.recipe.train.seed
        rows = self.experiment.sampler.micro_batches(index)
        batches = [self.experiment.reader.training_batch(one, index, seed) for one in rows]
        micros = micro_steps(
            batches, self.engine.device, self.recipe.images, self.experiment.paired, seed=seed, index=index
        )
        self.engine.step(micros)
        self.index += 1


def measure(methods: Sequence[str], sizes: Sequence[int], rounds: int) -> None:
    """Measure methods at sizes; CycleGAN beside the textbook step, in fp32 and under autocast."""
    for size in sizes:
        with TemporaryDirectory() as folder:
            draw_images(Path(folder), size * 143 // 128)
            for name in methods:
                contestants: dict[str, Callable[[], None]] = {}
                if name == "cyclegan":
                    contestants["textbook fp32"] = TextbookCycleGAN(size)
                    contestants["textbook bf16"] = TextbookCycleGAN(size, bf16=True)
                for precision in ("fp32", "bf16"):
                    contestants[f"ganzoo {precision}"] = MethodStep(name, Path(folder), size, precision)
                times = alternate(contestants, rounds)
                reference = next(iter(times.values()))
                append(
                    "steps",
                    [
                        {
                            "method": name,
                            "size": size,
                            "contestant": contestant,
                            "seconds": round(statistics.median(one.wall), 4),
                            "process_seconds": round(statistics.median(one.process), 4),
                            "times_as_fast": round(one.ratio(reference), 3),
                            "rounds": rounds,
                        }
                        for contestant, one in times.items()
                    ],
                )


def draw_images(folder: Path, side: int) -> None:
    """Write JPEG images of smooth noise into trainA and trainB below a folder."""
    for domain in "AB":
        place = folder / f"train{domain}"
        place.mkdir()
        for number in range(IMAGES):
            coarse = np.random.default_rng([ord(domain), number]).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(place / f"{number}.jpg")
