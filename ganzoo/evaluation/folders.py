"""Measure images that are there already, in folders, against real ones: no run is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from ganzoo.build import name_metrics
from ganzoo.data.image_io import find_images, read_image
from ganzoo.data.loader import Batch, Reader, stack
from ganzoo.data.sampler import Row
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluator, format_evaluation
from ganzoo.interfaces import Dataset, Direction, Method, Output, Sample, Split
from ganzoo.masks.roles import Roles
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import data_key, portable
from ganzoo.provenance.record import Record
from ganzoo.recipe.reader import read_metrics
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo.utils.console import Console


class ImageFolders(Dataset):
    """Images that were made, as domain A, and real ones, as domain B.

    Args:
        made: their folder.
        real: theirs.
    """

    def __init__(self, made: Path, real: Path) -> None:
        self.files = {"A": find_images(made), "B": find_images(real)}
        self.folders = {"A": made, "B": real}
        for domain, folder in self.folders.items():
            if not self.files[domain]:
                raise GanzooError(f"{folder}: no images in it or below: there is nothing to measure")

    def count(self, split: Split, domain: str) -> int:
        """Return how many there are; they are all of the test split."""
        return len(self.files[domain]) if split == "test" else 0

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image."""
        file = self.files[domain][index]
        return Sample(read_image(file, 3), file.relative_to(self.folders[domain]).as_posix())


class UnscaledReader(Reader):
    """Reads images neither scaled nor cropped, so that they must come one by one where their sizes differ."""

    def evaluation_batch(self, split: Split, rows: Sequence[Row]) -> Batch:
        """Read rows."""
        samples: dict[str, list[Sample]] = {}
        for row in rows:
            for domain, index in row.indices.items():
                samples.setdefault(domain, []).append(self.dataset.sample(split, domain, index))
        return stack(rows, samples)


class SavedTranslations(Method):
    """Gives images of A as translations: they were made before."""

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)

    def __init__(self) -> None:
        self.slots, self.optims, self.phases = {}, {}, []
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Take them as they are."""
        step["fake_B"] = step.pop("real_A")  # what they were made of is not known: nothing compares them with it

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the images."""
        return images


def evaluate_folder(folder: Path, against: Path | None, texts: Sequence[str]) -> dict[str, Any]:
    """Measure a folder's images at their own sizes against another's; print the figures, return the record.

    Args:
        folder: of images that were made.
        against: of real ones.
        texts: metrics, as in a recipe; such as read no more than the two sets.

    Raises GanzooError where one of them is missing, or without images.
    """
    if against is None:
        raise GanzooError(f"{folder}: it holds images and no run; say what they are to be like: --against FOLDER")
    if not texts:
        raise GanzooError(f"{folder}: what is to be measured? --metric NAME, such as swd, fid or kid; again for more")
    accelerator = start_accelerator()
    dataset, method = ImageFolders(folder, against), SavedTranslations()
    reader = UnscaledReader(dataset, ImageSettings(cache=0))
    method.bind({}, Roles())
    engine = Engine(method, accelerator, lr=1.0)
    parts = read_metrics(texts, "--metric")
    metrics = name_metrics(parts, [part.make() for part in parts])
    for metric in metrics.values():
        metric.bind(method, reader)
        metric.prepare(0)
    found = Evaluator(engine, reader, metrics, seed=0, batch=1).measure("test")
    Console(quiet=not accelerator.is_main_process).say(format_evaluation(f"{folder} against {against}", found))
    record = Record.of_images(
        folder.name,
        f"{folder.name} against {against.name}",
        data_key(dataset, "test"),
        [portable(part.resolved()) for part in parts],
        found,
    )
    return record.model_copy(update={"environment": environment(accelerator)}).fields()
