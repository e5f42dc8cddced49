"""Evaluate a folder of generated images against a folder of real ones, without a run; for ``ganzoo evaluate``."""

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
    """A data set of generated images, as domain A, and real images, as domain B; all in the test split.

    Args:
        generated: folder of generated images.
        real: folder of real images.

    Raises GanzooError for a folder without images.
    """

    def __init__(self, generated: Path, real: Path) -> None:
        self.files = {"A": find_images(generated), "B": find_images(real)}
        self.folders = {"A": generated, "B": real}
        for domain, folder in self.folders.items():
            if not self.files[domain]:
                raise GanzooError(f"{folder}: no images in it or in its subfolders: there is nothing to measure")

    def count(self, split: Split, domain: str) -> int:
        """Return the number of images of a domain in a split."""
        return len(self.files[domain]) if split == "test" else 0

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image."""
        file = self.files[domain][index]
        return Sample(read_image(file, 3), file.relative_to(self.folders[domain]).as_posix())


class UnscaledReader(Reader):
    """Reads images without scaling or cropping them; images of different sizes need batches of one."""

    def evaluation_batch(self, split: Split, rows: Sequence[Row]) -> Batch:
        """Return the images of some rows."""
        samples: dict[str, list[Sample]] = {}
        for row in rows:
            for domain, index in row.indices.items():
                samples.setdefault(domain, []).append(self.dataset.sample(split, domain, index))
        return stack(rows, samples)


class SavedTranslations(Method):
    """A method whose translations are the images of A: they were generated before."""

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)

    def __init__(self) -> None:
        self.slots, self.optims, self.phases = {}, {}, []
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Use the images of A as translations."""
        step["fake_B"] = step.pop("real_A")  # their source images are unknown, so no metric may compare with them

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the images unchanged."""
        return images


def evaluate_folder(folder: Path, against: Path | None, texts: Sequence[str], device: str = "") -> dict[str, Any]:
    """Measure a folder's images at their own sizes against real images; print the values, return the record.

    Args:
        folder: generated images.
        against: folder of real images.
        texts: metrics, as in a recipe, that need the two sets of images only.
        device: a torch device; by default the accelerator, if there is one.

    Raises GanzooError when ``against`` or the metrics are missing, or a folder has no images.
    """
    if against is None:
        raise GanzooError(f"{folder}: a folder of images, not a run; add the real images: --against FOLDER")
    if not texts:
        raise GanzooError(f"{folder}: no metrics; add --metric NAME, such as swd, fid or kid, once for each metric")
    accelerator = start_accelerator(device=device)
    dataset, method = ImageFolders(folder, against), SavedTranslations()
    reader = UnscaledReader(dataset, ImageSettings(cache=0))
    method.bind({}, Roles())
    engine = Engine(method, accelerator, lr=1.0)
    parts = read_metrics(texts, "--metric")
    metrics = name_metrics(parts, [part.make() for part in parts])
    for metric in metrics.values():
        metric.bind(method, reader)
        metric.prepare(0)
    result = Evaluator(engine, reader, metrics, seed=0, batch=1).measure("test")
    Console(quiet=not accelerator.is_main_process).say(format_evaluation(f"{folder} against {against}", result))
    record = Record.of_images(
        folder.name,
        f"{folder.name} against {against.name}",
        data_key(dataset, "test"),
        [portable(part.resolved()) for part in parts],
        result,
    )
    return record.model_copy(update={"environment": environment(accelerator)}).fields()
