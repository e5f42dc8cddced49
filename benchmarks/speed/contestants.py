"""The contestants of each method: its textbook step and ganzoo's step of its published recipe, in fp32 and bf16."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from benchmarks.speed.stand_ins import draw_images, read_banks, read_labels, write_bank, write_segmenter
from benchmarks.speed.textbook.art2real import TextbookArt2Real
from benchmarks.speed.textbook.cut import TextbookCUT
from benchmarks.speed.textbook.cyclegan import TextbookCycleGAN
from benchmarks.speed.textbook.drit import TextbookDRIT
from benchmarks.speed.textbook.mask_cyclegan import TextbookMaskCycleGAN
from benchmarks.speed.textbook.munit import TextbookMUNIT
from benchmarks.speed.textbook.pix2pix import TextbookPix2Pix, levels_for
from benchmarks.speed.textbook.smcyclegan import TextbookSMCycleGAN
from benchmarks.speed.textbook.step import TextbookStep
from benchmarks.speed.textbook.unit import TextbookUNIT
from ganzoo.build import Experiment
from ganzoo.data.loader import micro_steps
from ganzoo.engine.distributed import start_accelerator
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.allocator import keep_freed_memory

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
PRECISIONS = ("fp32", "bf16")


def no_changes(folder: Path, size: int) -> list[str]:
    """Return no overrides."""
    return []


@dataclass(frozen=True)
class Measured:
    """A method that is measured.

    Args:
        recipe: name of its published recipe.
        textbook: builds its textbook step from the images' size, ``bf16`` and, for Art2Real, bank and labels.
        changes: function of a folder with images and the images' size; returns overrides of the recipe.
    """

    recipe: str
    textbook: Callable[..., TextbookStep]
    changes: Callable[[Path, int], list[str]] = no_changes


METHODS = {
    "cyclegan": Measured("cyclegan", TextbookCycleGAN),
    "mask_cyclegan": Measured("mask_horse2zebra", TextbookMaskCycleGAN),
    "smcyclegan": Measured(
        "sm",
        TextbookSMCycleGAN,
        lambda folder, size: [f"maskers.discriminator.weights={folder}/segmenter", "method.mask_probability=1"],
    ),
    "art2real": Measured(
        "art2real_monet",
        TextbookArt2Real,
        lambda folder, size: [f"method.bank={folder}/bank", "method.search=exact", "images.load=0"],
    ),
    "munit": Measured("munit_faces", TextbookMUNIT, lambda folder, size: ["data.classes=null"]),
    "unit": Measured("unit", TextbookUNIT),
    "drit": Measured("drit", TextbookDRIT),
    "cut": Measured("cut", TextbookCUT),
    "fastcut": Measured("fastcut", partial(TextbookCUT, fast=True)),
    "pix2pix": Measured(
        "pix2pix",
        TextbookPix2Pix,
        lambda folder, size: ["data={layout: folders, A: null}", f"networks.G.levels={levels_for(size)}"],
    ),
}


def contestants(
    name: str, folder: Path, size: int, *, compiled: bool = False
) -> dict[str, Callable[[], Callable[[], None]]]:
    """Return contestant → function that builds it; the first one is the reference of the others.

    A contestant is called for each step.

    Args:
        name: a method of ``METHODS``.
        folder: a folder that ``prepare`` filled for the method.
        size: side of the images, in pixels.
        compiled: whether ganzoo's compiled steps are contestants, too.
    """
    builders: dict[str, Callable[[], Callable[[], None]]] = {
        **{f"textbook {one}": partial(textbook_step, name, folder, size, bf16=one == "bf16") for one in PRECISIONS},
        **{f"ganzoo {one}": partial(MethodStep, name, folder, size, one) for one in PRECISIONS},
    }
    for one in PRECISIONS if compiled else ():
        builders[f"ganzoo {one} compiled"] = partial(MethodStep, name, folder, size, one, compiled=True)
    return builders


def prepare(name: str, folder: Path, size: int) -> None:
    """Write images and what else a method reads into an empty folder."""
    draw_images(folder, size * 143 // 128)
    if name == "smcyclegan":
        write_segmenter(folder / "segmenter")
    if name == "art2real":
        write_bank(folder / "bank", folder / "trainB", size)


def textbook_step(name: str, folder: Path, size: int, *, bf16: bool) -> TextbookStep:
    """Return a method's textbook step; that of Art2Real reads the same bank as ganzoo, and labels of an image of A."""
    if name == "art2real":
        banks, labels = read_banks(folder / "bank"), read_labels(folder / "trainA/000.jpg", size)
        return METHODS[name].textbook(size, banks, labels, bf16=bf16)
    return METHODS[name].textbook(size, bf16=bf16)


class MethodStep:
    """Trains a recipe; each call is a step of one image of each domain, or of as many as the method groups.

    For a method whose steps differ (DRIT) each call is a whole cycle of them.

    Args:
        name: a method of ``METHODS``.
        folder: a folder that ``prepare`` filled for the method.
        size: side of the images, in pixels.
        precision: ``fp32`` or ``bf16``.
        compiled: whether its networks are compiled.
    """

    def __init__(self, name: str, folder: Path, size: int, precision: str, *, compiled: bool = False) -> None:
        keep_freed_memory()  # as the command line does
        method = METHODS[name]
        common = [
            f"data.root={folder}", "data.validation=0", f"images.size={size}", f"images.load={size * 143 // 128}",
            f"train.precision={precision}", f"train.compile={str(compiled).lower()}",
            "evaluate={metrics: [], best: null, patience: 0, every: 0}",
        ]  # fmt: skip
        self.recipe = read_recipe(RECIPES / f"{method.recipe}.yaml", [*common, *method.changes(folder, size)])
        self.experiment = Experiment(self.recipe, start_accelerator(device="cpu"), training=True)
        self.engine = self.experiment.engine
        self.index = 0

    def __call__(self) -> None:
        """Train one step, or one cycle of steps."""
        for _ in range(self.engine.cycle):
            index, seed = self.index, self.recipe.train.seed
            rows = self.experiment.sampler.micro_batches(index)
            batches = [self.experiment.reader.training_batch(one, index, seed) for one in rows]
            micros = micro_steps(
                batches, self.engine.device, self.recipe.images, self.experiment.paired, seed=seed, index=index
            )
            self.engine.step(micros)
            self.index += 1
