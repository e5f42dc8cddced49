"""Method, loss and metric keep the contracts of ``ganzoo.testing``, with a small bank."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ganzoo.testing import component_tests
from ganzoo_art2real.bank_builder import Settings, build_bank
from tests.support.photographs import SMALL, write_photographs

NETWORKS = {
    "G": {"generator": "resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "patch", "width": 2, "layers": 1},
}
IMAGES = {"size": 16, "load": 24}


@pytest.fixture(autouse=True, scope="module")
def _bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Build a bank for the loss, whose images are scaled, one for the metric, whose are not; change to their folder."""
    folder = tmp_path_factory.mktemp("bank")
    photographs = write_photographs(folder / "photographs")
    for name, size in (("bank", 24), ("small_bank", 16)):
        build_bank([photographs], folder / name, Settings(size=size, scales=SMALL.scales))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


TestContextual = component_tests("loss", "contextual", options={"bank": "bank"}, recipe={"images": IMAGES})
TestArt2real = component_tests(
    "method", "art2real", options={"bank": "bank"}, recipe={"networks": NETWORKS, "images": IMAGES}
)
TestContextualMetric = component_tests("metric", "contextual", options={"bank": "small_bank"})
