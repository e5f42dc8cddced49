"""Compare a folder of generated images with a folder of real images, without a run; for ``ganzoo evaluate``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from torch import Tensor

from ganzoo.build import build_metrics, metric_origins
from ganzoo.data.image_files import find_images
from ganzoo.data.image_io import read_image
from ganzoo.data.loader import Reader
from ganzoo.engine.distributed import start_accelerator
from ganzoo.engine.engine import Engine
from ganzoo.errors import GanzooError
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.evaluation.printing import format_evaluation
from ganzoo.evaluation.records import Measured
from ganzoo.interfaces import Dataset, Direction, Method, Output, Sample, Split
from ganzoo.masks.roles import Roles
from ganzoo.provenance.environment import environment
from ganzoo.provenance.fingerprint import portable
from ganzoo.provenance.images import data_key
from ganzoo.provenance.record import Record
from ganzoo.recipe.named_parts import read_metrics
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo.utils.console import Console


class ImageFolders(Dataset):
    """A data set of generated images (domain A) and real images (domain B), all of them in the split ``test``.

    Args:
        generated: the folder of generated images, which may be in subfolders.
        real: the folder of real images, likewise.

    Raises GanzooError for a folder that does not exist, cannot be read or has no images.
    """

    def __init__(self, generated: Path, real: Path) -> None:
        self.files = {"A": find_images(generated), "B": find_images(real)}
        self.folders = {"A": generated, "B": real}
        for domain, folder in self.folders.items():
            if not self.files[domain]:
                raise GanzooError(f"{folder}: no images in it or in its subfolders: there is nothing to measure")

    def count(self, split: Split, domain: str) -> int:
        """Return the number of images of a domain; 0 for all splits except ``test``."""
        return len(self.files[domain]) if split == "test" else 0

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image as RGB. Raises GanzooError if it cannot be read."""
        file = self.files[domain][index]
        return Sample(read_image(file, 3), file.relative_to(self.folders[domain]).as_posix())


class SavedTranslations(Method):
    """A method whose translations are the images of domain A, which another program generated; it has no networks."""

    directions: ClassVar[tuple[Direction, ...]] = ("AB",)

    def __init__(self) -> None:
        self.slots, self.optims, self.phases = {}, {}, []
        self.tensors = {"fake_B": Output("A", "B")}

    def forward(self, step: Step) -> None:
        """Rename the images of A: ``real_A`` becomes the translation ``fake_B``."""
        step["fake_B"] = step.pop("real_A")  # their source images are unknown, so no metric may compare with them

    def translate(self, images: Tensor, direction: Direction, step: Step) -> Tensor:
        """Return the images unchanged."""
        return images


def check_folder(folder: Path, against: Path | None, texts: Sequence[str]) -> None:
    """Raise GanzooError if ``against`` or the metrics are missing, or one of the folders has no images."""
    if against is None:
        raise GanzooError(f"{folder}: a folder of images, not a run; add the real images: --against FOLDER")
    if not texts:
        raise GanzooError(f"{folder}: no metrics; add --metric NAME, such as swd, fid or kid, once for each metric")
    ImageFolders(folder, against)


def evaluate_folder(
    folder: Path, against: Path, texts: Sequence[str], device: str = "", bootstrap: int = 0
) -> Measured:
    """Compare a folder's images with real images, at their own sizes; print the values, return what was measured.

    Args:
        folder: the folder of generated images.
        against: the folder of real images.
        texts: the metrics, written as in a recipe; they must need the two sets of images only.
        device: a torch device; by default the accelerator, if there is one.
        bootstrap: the number of draws for intervals of the values; 0: no intervals.

    Raises GanzooError if a folder has no images, or a metric is wrong or does not fit. A metric that fails is reported
    in the record's ``failed``.
    """
    accelerator = start_accelerator(device=device, command="evaluate")
    dataset, method = ImageFolders(folder, against), SavedTranslations()
    reader = Reader(dataset, ImageSettings(fit="none", cache=0))
    method.bind({}, Roles())
    engine = Engine(method, accelerator, lr=1.0)
    parts = read_metrics(texts, "--metric")
    metrics = build_metrics(parts, method, reader)
    evaluator = Evaluator(engine, reader, metrics, seed=0, batch=1, origins=metric_origins(parts))
    evaluator.prepare()
    collected = evaluator.collect("test")
    result = evaluator.compute(collected, "test", bootstrap=bootstrap)
    Console(quiet=not accelerator.is_main_process).say(format_evaluation(f"{folder} against {against}", result))
    record = Record.of_images(
        folder.resolve().name,
        f"{folder.resolve().name} against {against.resolve().name}",
        data_key(dataset, "test"),
        [portable(part.resolved()) for part in parts],
        result,
    )
    fields = record.model_copy(update={"environment": environment(accelerator)}).fields()
    return Measured(folder, fields, collected)
