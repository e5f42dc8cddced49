"""Small components for the tests of recipes, and functions that write and read recipes in the current folder."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Dataset, Loss, Masker, Method, Metric, Sample, Slot, Split
from ganzoo.randomness import Draws
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Recipe
from ganzoo.step import Step

COMPLETE = """\
method: {method: cyclegan}
data: {dataset: striped_digits}
train: {steps: 2}
"""


class Planes(Masker):
    """A masker with any number of planes, all ones."""

    def __init__(self, *, planes: int = 1) -> None:
        super().__init__()
        if planes > 9:
            raise GanzooError("no more than 9 planes")
        self.planes = planes

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.ones_like(image[:, :1]).repeat(1, self.planes, 1, 1)


class Sloppy(Loss):
    """A loss with a required and an optional input."""

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        return image.mean()


class Codec(nn.Module):
    """A generator with encode() but without decode(), and a required option."""

    def __init__(self, in_channels: int, out_channels: int, *, size: int) -> None:
        super().__init__()

    def encode(self, image: Tensor) -> Tensor:
        return image


class Picky(Method):
    """A method without phases, whose network needs encode() and decode()."""

    accepts: ClassVar[tuple[str, ...]] = ("labels",)

    def __init__(self, *, colour: str = "") -> None:
        if colour == "octarine":
            raise GanzooError("colour: nobody can see octarine")
        calls = ("encode", "decode")
        self.slots = {"G_A": Slot("generator", ("A",), "A", calls=calls, default={"generator": "codec", "size": 1})}
        self.optims, self.phases, self.tensors = {}, [], {}

    def forward(self, step: Step) -> None:
        pass


class Pairs(Dataset):
    """A data set with a required option."""

    def __init__(self, *, root: Path) -> None:
        self.root = root

    def count(self, split: Split, domain: str) -> int:
        return 1

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return Sample(np.zeros((8, 8, 3), np.uint8), "0")


class Share(Metric):
    """A metric with an option."""

    def __init__(self, *, of: float = 1.0) -> None:
        self.of = of

    def rows(self, step: Step, direction: str) -> dict[str, Tensor]:
        return {}


PARTS: list[tuple[str, str, type]] = [
    ("masker", "planes", Planes), ("loss", "sloppy", Sloppy), ("generator", "codec", Codec),
    ("method", "picky", Picky), ("dataset", "pairs", Pairs), ("metric", "share", Share),
]  # fmt: skip
"""Kind, name and class of each component."""


def write(text: str, name: str = "r.yaml") -> Path:
    Path(name).write_text(dedent(text))
    return Path(name)


def read(text: str, *overrides: str) -> Recipe:
    """Write a recipe and read it."""
    return read_recipe(write(text), overrides)


def mistakes(text: str, *overrides: str) -> list[str]:
    """Return the mistakes in a recipe, one line each."""
    with pytest.raises(GanzooError) as error:
        read(text, *overrides)
    return str(error.value).splitlines()


def mistakes_of_section(text: str, *overrides: str) -> list[str]:
    """Return the mistakes in a correct recipe with one more section, which is wrong."""
    return mistakes(COMPLETE + dedent(text), *overrides)
