"""Near-duplicates whose files are compared, also when one is gone by then."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ganzoo.check.data.between_images import find_duplicates
from ganzoo.check.data.facts import read_files
from ganzoo.check.data.groups import Group, Item, Source
from ganzoo.data.types import ImageFile, StoredFile
from tests.support.random_images import noise, save


@dataclass(frozen=True)
class Whole(StoredFile):
    """A stored file that is all of its container."""

    def read(self) -> bytes:
        return self.container.read_bytes()


@pytest.mark.parametrize("stored", [False, True])
def test_a_file_that_was_deleted_after_it_was_read_is_not_called_identical(tmp_path: Path, stored: bool) -> None:
    pixels = np.kron(noise(4, 4, 3), np.ones((8, 8, 1), np.uint8))
    paths = [save(tmp_path / name, pixels) for name in ("a.png", "b.png")]
    readings = [[read_files(path) for path in paths]]
    files: list[ImageFile] = [Whole(path, path.name) if stored else path for path in paths]
    items = [Item(str(file), lambda: readings[0][0], lambda _: [], [file]) for file in files]
    source = Source("data", [Group("trainA", "train", "A", items)])
    assert [one.detail for one in find_duplicates(source, readings)[1]] == ["identical files"]
    paths[1].unlink()
    assert [one.detail for one in find_duplicates(source, readings)[1]] == [""]
