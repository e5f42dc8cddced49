"""Stand-ins for what methods read: drawn images, an untrained segmenter, and a small bank of patches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import ganzoo
from benchmarks.speed.textbook.art2real import Banks
from ganzoo.interfaces import Sample
from ganzoo.plugins import plugins

registry = plugins().registry  # puts a checkout's plugins on the path

from ganzoo_art2real.bank import Bank  # noqa: E402
from ganzoo_art2real.bank_builder import Settings, build_bank  # noqa: E402
from ganzoo_art2real.pixel_classes import MaskerClasses  # noqa: E402

IMAGES = 4
COLOURS = (
    "{masker: colours, classes: {sky: [150, 180, 215], clouds: [225, 225, 225], plants: [70, 90, 45], "
    "earth: [140, 115, 85], dark: [35, 35, 35]}}"
)
"""The masker of Art2Real's recipe."""


def draw_images(folder: Path, side: int, split: str = "train", count: int = IMAGES) -> None:
    """Write JPEG images of smooth noise into the folders of both domains below a folder: trainA and trainB."""
    for domain in "AB":
        place = folder / f"{split}{domain}"
        place.mkdir()
        for number in range(count):
            coarse = np.random.default_rng([ord(domain), number]).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(place / f"{number:03}.jpg")


def write_segmenter(folder: Path) -> None:
    """Write the run of a segmenter of the published width, untrained, into a new folder."""
    recipe = {
        "method": {"method": "segmenter"},
        "networks": {"S": {"masker": "unet", "width": 64, "depth": 4}},
        "data": {"dataset": "folders", "root": "none"},
        "train": {"steps": 1},
    }
    network = registry.get("masker", "unet").load()(width=64, depth=4)
    progress = {"step": 0, "bad": 0, "best": None, "channels": {"A": 3}, "classes": {}}
    ganzoo.write_run(folder, recipe, {"S": network.state_dict()}, progress)


def write_bank(folder: Path, photographs: Path, size: int) -> None:
    """Build a bank of photographs, with classes by colour, in a new folder."""
    build_bank([photographs], folder, Settings(size=size), pixel_classes=MaskerClasses(COLOURS))


def read_banks(folder: Path) -> Banks:
    """Return all patches of a bank; a class without patches has those of the background, as in Art2Real's code."""
    bank, classes = Bank.open(folder), range(1 + MaskerClasses(COLOURS).planes)
    return {
        scale: [bank.patches(scale, bank.numbers(bank.resolve(label, scale), scale)) for label in classes]
        for scale in bank.scales
    }


def read_labels(file: Path, size: int) -> Tensor:
    """Return the classes of an image's pixels by colour, (1, K, size, size) of 0 and 1."""
    pixels = np.asarray(Image.open(file).resize((size, size), Image.Resampling.BICUBIC))
    classes = MaskerClasses(COLOURS).classes(Sample(pixels, file.name), 0)
    return torch.from_numpy(np.stack(list(classes.values()))).float()[None]
