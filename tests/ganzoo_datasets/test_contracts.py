"""The data sets keep the contracts of ``ganzoo.testing``, on small files that are written for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganzoo.testing import component_tests, write_images


@pytest.fixture(autouse=True, scope="module")
def _files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the images that the options name, and change to their folder."""
    folder = tmp_path_factory.mktemp("data")
    write_images(folder / "images", masks=True, labels=True, validation=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


TestFolders = component_tests("dataset", "folders", options={"root": "images"})
TestPaired = component_tests("dataset", "paired", options={"root": "images", "layout": "folders"})
