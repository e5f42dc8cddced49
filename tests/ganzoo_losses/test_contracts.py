"""The losses keep the contracts of ``ganzoo.testing``; the perceptual loss with small random weights."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganzoo.testing import component_tests
from tests.support.vgg_networks import write_vgg


@pytest.fixture(autouse=True, scope="module")
def _weights(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Write the weights that the options name, and change to their folder."""
    folder = tmp_path_factory.mktemp("weights")
    write_vgg(folder / "vgg16.safetensors", 16)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


TestL1 = component_tests("loss", "l1")
TestTotalVariation = component_tests("loss", "total_variation")
TestPerceptual = component_tests("loss", "perceptual", options={"weights": "vgg16.safetensors"})
