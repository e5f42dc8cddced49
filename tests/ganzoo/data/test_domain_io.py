"""Label maps as a domain: one-hot tensors and back; reading, scaling, augmenting and writing never mix classes."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo import GanzooError
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import write_image
from ganzoo.data.label_maps import PALETTE, class_colour, colour_classes, one_hot
from ganzoo.data.loader import Reader, make_step
from ganzoo.data.sampler import Row
from ganzoo.data.transforms import augment
from ganzoo.evaluation.sample_grid import as_image
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_datasets.folders import Folders
from tests.support.command_line import refusal

CLASSES = 5
LABEL_MAPS = DomainIO(CLASSES, CLASSES)


def labels(height: int = 10, width: int = 14, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, CLASSES, (height, width)).astype(np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Label maps in A, grey and with a palette, colours in B."""
    for split, count in (("train", 3), ("test", 1)):
        for domain in "AB":
            (tmp_path / f"{split}{domain}").mkdir()
        for i in range(count):
            image = Image.fromarray(labels(seed=i), "L")
            if i % 2:
                image = image.convert("P")
                image.putdata(labels(seed=i).flatten().tolist())
            image.save(tmp_path / f"{split}A/{i}.png")
            noise = np.random.default_rng(i).integers(0, 256, (10, 14, 3), np.uint8)
            Image.fromarray(noise).save(tmp_path / f"{split}B/{i}.png")
    return tmp_path


def test_one_hot_is_one_in_a_pixels_class() -> None:
    planes = one_hot(torch.tensor([[[0, 2]]]), 3)
    assert planes.shape == (1, 3, 1, 2)
    assert planes[0, :, 0].T.tolist() == [[1, -1, -1], [-1, -1, 1]]


def test_writing_and_reading_a_label_map_changes_nothing(tmp_path: Path) -> None:
    planes = LABEL_MAPS.batch(labels()[:, :, None])[0]
    write_image(LABEL_MAPS.image(planes), tmp_path / "map.png")
    assert np.array_equal(LABEL_MAPS.read(tmp_path / "map.png")[:, :, 0], labels())
    with Image.open(tmp_path / "map.png") as written:
        assert written.mode == "P"
        assert np.array_equal(np.asarray(written.convert("RGB"))[0, 0], class_colour(int(labels()[0, 0])))
        assert np.array_equal(LABEL_MAPS.read(written)[:, :, 0], labels())
    soft = planes + torch.rand(planes.shape, generator=torch.Generator().manual_seed(0)) * 0.9
    assert np.array_equal(np.asarray(LABEL_MAPS.image(soft)), labels())


def test_colours_are_fixed_and_far_apart() -> None:
    assert len(PALETTE) == 768
    colours = [np.array(class_colour(label), float) for label in range(24)]
    assert min(np.abs(a - b).max() for a, b in combinations(colours, 2)) >= 20
    shown = colour_classes(one_hot(torch.tensor([[[3]]]), 5))
    assert ((shown.flatten() + 1) * 127.5).round().tolist() == list(class_colour(3))


@pytest.mark.parametrize("fit", ["stretch", "cover"])
def test_classes_are_never_mixed(root: Path, fit: str) -> None:
    """Scaled, cropped, flipped, rotated, and recoloured: the images are still one-hot, and B's are not."""
    data = Folders(root=root, classes={"A": CLASSES}, validation=0)
    assert (data.channels, data.classes) == ({"A": CLASSES, "B": 3}, {"A": CLASSES})
    images = ImageSettings(size=7, load=9, fit=fit, rotate=20, color=0.4)  # type: ignore[arg-type]
    rows = [Row(i, i, {"A": i, "B": i}) for i in range(3)]
    step = make_step(Reader(data, images).training_batch(rows, 0, 0), torch.device("cpu"))
    assert step.classes == {"A": CLASSES} == step.inputs().classes == step.detached().classes
    before = {name: step[name].clone() for name in step}
    augment(step, images, paired=False)
    for planes in (before["real_A"], step["real_A"]):
        assert planes.shape == (3, CLASSES, 7, 7)
        assert set(planes.unique().tolist()) == {-1.0, 1.0}
        assert (planes.sum(1) == 2 - CLASSES).all()
    assert not torch.equal(step["real_B"], before["real_B"])


def test_a_sample_grid_shows_class_colours(root: Path) -> None:
    planes = LABEL_MAPS.batch(labels()[:, :, None])
    assert torch.equal(as_image(planes, "A", {"A": CLASSES}), colour_classes(planes))
    assert as_image(planes[:, :1], "", {"A": CLASSES}).shape[1] == 3
    assert Step({"real_A": planes}, classes={"A": CLASSES}).classes == {"A": CLASSES}


def test_invalid_classes_colours_and_options_are_refused(root: Path) -> None:
    Image.fromarray(np.full((4, 4), 7, np.uint8)).save(root / "seven.png")
    message = refusal(LABEL_MAPS.read, root / "seven.png")
    assert message == f"{root}/seven.png: it has the class 7, and its domain the classes 0 … 4"
    assert "holds colours, not classes" in refusal(LABEL_MAPS.read, root / "trainB/0.png")
    few = Folders(root=root, classes={"A": 3}, validation=0)
    with pytest.raises(GanzooError, match=r"it has the class 4, and its domain the classes 0 … 2"):
        few.sample("train", "A", 0)
    assert refusal(Folders, root=root, classes={"A": 1}) == "classes.A is 1; a label map has 2 … 256 classes"
    assert "channels.A and classes.A are both set" in refusal(Folders, root=root, classes={"A": 5}, channels={"A": 5})
