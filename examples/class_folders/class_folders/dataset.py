"""The data set ``class_folders``: one folder with a sub-folder for each class, as classifiers are trained on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ganzoo.interfaces import Dataset, GanzooError, ImageFile, Sample, Split, find_images, keyed, read_image


class ClassFolders(Dataset):
    """Two classes of a folder that has a sub-folder of images for each class.

    Args:
        root: the folder.
        A: the class that is domain A, the name of a sub-folder.
        B: the class that is domain B.
        test: the share of each class's images that is held out for tests; they are chosen by chance, always alike.
    """

    def __init__(self, *, root: Path, A: str, B: str, test: Annotated[float, Field(ge=0, lt=1)] = 0.1) -> None:
        if A == B:
            raise GanzooError(f"class_folders: A and B are both {A}; name two classes")
        self.folders = {"A": root / A, "B": root / B}
        self.files: dict[tuple[str, str], list[Path]] = {}
        for domain, folder in self.folders.items():
            files = find_images(folder, f"name a sub-folder of {root}")
            held = set(keyed("class_folders", folder.name).permutation(len(files))[: round(test * len(files))])
            self.files["test", domain] = [file for i, file in enumerate(files) if i in held]
            self.files["train", domain] = [file for i, file in enumerate(files) if i not in held]

    def count(self, split: Split, domain: str) -> int:
        """Return the number of images; there are none for validation."""
        return len(self.files.get((split, domain), ()))

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        """Read one image."""
        file = self.files[split, domain][index]
        return Sample(read_image(file, self.channels[domain]), file.relative_to(self.folders[domain]).as_posix())

    def files_of(self, split: Split, domain: str, index: int) -> Sequence[ImageFile]:
        """Return the file of one image, so that ganzoo remembers what it learnt from it."""
        return [self.files[split, domain][index]]
