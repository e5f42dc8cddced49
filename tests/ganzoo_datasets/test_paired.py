from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.data.loader import Reader, make_step
from ganzoo.data.sampler import Row
from ganzoo.data.transforms import augment
from ganzoo.errors import GanzooError
from ganzoo.settings import ImageSettings
from ganzoo_datasets.paired import Paired


def save(path: Path, shade: int, size: tuple[int, int] = (4, 3)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (shade, 0, 0)).save(path)
    return path


def save_pair(path: Path, left: int, right: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((3, 8, 3), np.uint8)
    pixels[:, :4, 0], pixels[:, 4:, 0] = left, right
    Image.fromarray(pixels).save(path)


def complaint(call: Any, **options: Any) -> str:
    with pytest.raises(GanzooError) as caught:
        call(**options)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twenty pairs side by side, 100 apart, and one for test."""
    for number in range(20):
        save_pair(tmp_path / f"train/sub ü/{number:02d}.png", number, number + 100)
    save_pair(tmp_path / "test/t.png", 7, 9)
    return tmp_path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Twenty pairs in two folders, 100 apart."""
    for number in range(20):
        save(tmp_path / f"trainA/sub ü/{number:02d}.png", number)
        save(tmp_path / f"trainB/sub ü/{number:02d}.bmp", number + 100)
    return tmp_path


class TestSideBySide:
    def test_halves_belong_together(self, root: Path) -> None:
        data = Paired(root=root)
        assert data.paired
        seen = []
        for split in ("train", "validation"):
            assert data.count(split, "A") == data.count(split, "B") > 0
            for i in range(data.count(split, "A")):
                a, b = data.sample(split, "A", i), data.sample(split, "B", i)
                assert a.image.shape == b.image.shape == (3, 4, 3)
                assert a.name == b.name
                assert b.image[..., 0].min() == a.image[..., 0].max() + 100
                assert a.target is not None
                assert b.target is not None
                assert (a.target == b.image).all()
                assert (b.target == a.image).all()
                seen.append(a.image.max())
        assert sorted(seen) == list(range(20))
        assert data.sample("train", "A", 0).name.startswith("sub ü/")

    def test_a_on_the_right(self, root: Path) -> None:
        data = Paired(root=root, A="right")
        assert data.sample("test", "A", 0).image.max() == 9
        assert data.sample("test", "B", 0).image.max() == 7

    def test_validation_folder(self, root: Path) -> None:
        save_pair(root / "val/v.png", 1, 2)
        data = Paired(root=root, validation=0.5)
        assert [data.count(s, "B") for s in ("train", "validation", "test")] == [20, 1, 1]

    def test_split_stays_when_pairs_are_added(self, root: Path) -> None:
        def held() -> set[str]:
            data = Paired(root=root, validation=0.3)
            return {data.sample("validation", "A", i).name for i in range(data.count("validation", "A"))}

        before = held()
        for number in range(20, 40):
            save_pair(root / f"train/sub ü/{number:02d}.png", 0, 0)
        assert len(before) > 1
        assert before < held()

    def test_no_validation(self, root: Path) -> None:
        assert Paired(root=root, validation=0).count("validation", "A") == 0

    def test_channels(self, root: Path) -> None:
        data = Paired(root=root, channels={"B": 1})
        sample = data.sample("train", "A", 0)
        assert sample.target is not None
        assert (sample.image.shape, sample.target.shape) == ((3, 4, 3), (3, 4, 1))

    def test_odd_width(self, root: Path) -> None:
        path = save(root / "test/t.png", 1, size=(7, 3))
        text = complaint(Paired(root=root).sample, split="test", domain="A", index=0)
        assert text.startswith(f"{path}: its width, 7 pixels, is odd")

    def test_missing_and_empty(self, root: Path) -> None:
        assert f"{root}/no/train: no such folder; paired needs train" in complaint(Paired, root=root / "no")
        (root / "test/t.png").unlink()
        assert complaint(Paired, root=root).startswith(f"{root}/test: no images")

    def test_options_of_the_other_layout(self, root: Path) -> None:
        assert "side_by_side does not read folders" in complaint(Paired, root=root, folders={})
        assert "the layout folders has no halves" in complaint(Paired, root=root, layout="folders", A="left")


class TestTwoFolders:
    def test_partners_belong_together(self, two: Path) -> None:
        data = Paired(root=two, layout="folders")
        assert data.count("train", "A") + data.count("validation", "A") == 20
        assert data.count("validation", "B") == data.count("validation", "A") > 0
        assert data.count("test", "A") == 0
        for i in range(data.count("validation", "A")):
            a, b = data.sample("validation", "A", i), data.sample("validation", "B", i)
            assert Path(a.name).with_suffix(".bmp") == Path(b.name)
            assert b.image[..., 0].min() == a.image[..., 0].max() + 100
            assert b.target is not None
            assert (b.target == a.image).all()

    def test_other_names(self, tmp_path: Path) -> None:
        save(tmp_path / "train/images/x.png", 1)
        save(tmp_path / "train/masks/x.png", 2)
        patterns: dict[Any, str] = {"A": "{split}/masks", "B": "{split}/images"}
        data = Paired(root=tmp_path, layout="folders", folders=patterns)
        assert data.sample("train", "A", 0).image.max() == 2
        text = complaint(Paired, root=tmp_path, layout="folders", folders={"A": "train/images"})
        assert text.startswith("paired: folders.A is 'train/images', so train and test would be the same")

    @pytest.mark.parametrize(("lonely", "other", "suffix"), [("A", "B", "png"), ("B", "A", "bmp")])
    def test_lonely_image(self, two: Path, lonely: str, other: str, suffix: str) -> None:
        path = save(two / f"train{lonely}/x.{suffix}", 1)
        text = complaint(Paired, root=two, layout="folders")
        assert text.startswith(f"{two}/train{other}/x.*: no partner for the image {path}; ")

    def test_one_folder_of_a_split(self, two: Path) -> None:
        save(two / "testA/t.png", 1)
        text = complaint(Paired, root=two, layout="folders")
        assert text.startswith(f"{two}/testB: no such folder; paired needs both folders of a split")

    def test_other_size(self, two: Path) -> None:
        save(two / "trainB/sub ü/00.bmp", 1, size=(4, 5))
        data = Paired(root=two, layout="folders", validation=0)
        text = complaint(data.sample, split="train", domain="A", index=0)
        assert text.startswith(f"{two}/trainB/sub ü/00.bmp: 4×5 pixels, but its partner {two}/trainA/sub ü/00.png")
        assert "has 4×3" in text

    def test_two_of_one_stem(self, two: Path) -> None:
        save(two / "trainA/sub ü/00.jpg", 1)
        assert "has the same name without suffix" in complaint(Paired, root=two, layout="folders")


class TestLabelMaps:
    @pytest.fixture
    def maps(self, two: Path) -> Path:
        """The pairs of ``two``, those of A as label maps of four classes: grey, and with a palette."""
        for number in range(20):
            file = two / f"trainA/sub ü/{number:02d}.png"
            image = Image.new("P" if number % 2 else "L", (4, 3), number % 4)
            if number % 2:
                image.putpalette([255, 0, 0] * 256)
            image.save(file)
        return two

    def test_their_values_are_classes(self, maps: Path) -> None:
        data = Paired(root=maps, layout="folders", classes={"A": 4}, validation=0)
        assert (data.channels, data.classes) == ({"A": 4, "B": 3}, {"A": 4})
        for i in range(20):
            a, b = data.sample("train", "A", i), data.sample("train", "B", i)
            number = int(Path(a.name).stem)
            assert a.image.tolist() == np.full((3, 4, 1), number % 4).tolist()
            assert b.image[..., 0].min() == number + 100
            assert a.target is not None and b.target is not None
            assert np.array_equal(a.target, b.image) and np.array_equal(b.target, a.image)

    def test_a_step_has_them_one_hot_and_pairs_vary_alike(self, maps: Path) -> None:
        """The image is made the label map's equal, so that crops and flips can be compared."""
        drawn = np.random.default_rng(0).integers(0, 4, (20, 9, 9), np.uint8)
        for number, labels in enumerate(drawn):
            Image.fromarray(labels).save(maps / f"trainA/sub ü/{number:02d}.png")
            shades = np.repeat(60 * labels[:, :, None], 3, axis=2)
            Image.fromarray(shades).save(maps / f"trainB/sub ü/{number:02d}.bmp")
        data = Paired(root=maps, layout="folders", classes={"A": 4}, validation=0)
        images = ImageSettings(size=6, load=9)
        rows = [Row(i, i, {"A": i, "B": i}) for i in range(20)]
        step = make_step(Reader(data, images, paired=True).training_batch(rows, 0, 0), torch.device("cpu"))
        plain = step["real_A"].clone()
        augment(step, images, paired=True)
        assert step["real_A"].shape == (20, 4, 6, 6) and step["real_B"].shape == (20, 3, 6, 6)
        assert not torch.equal(step["real_A"], plain)
        shown = (step["real_B"][:, 0] + 1) * 127.5 / 60
        assert torch.equal(step["real_A"].argmax(1), shown.round().long())
        torch.testing.assert_close(step["true_A"], step["real_A"])

    def test_a_class_too_many_names_its_file(self, maps: Path) -> None:
        few = Paired(root=maps, layout="folders", classes={"A": 3}, validation=0)
        text = complaint(few.sample, split="train", domain="B", index=3)
        assert text == f"{maps}/trainA/sub ü/03.png: it has the class 3, and its domain the classes 0 … 2"

    def test_what_makes_no_sense(self, root: Path, maps: Path) -> None:
        text = complaint(Paired, root=root, classes={"A": 4})
        assert text.startswith("paired: classes is set, but one file cannot contain a label map and an image")
        text = complaint(Paired, root=maps, layout="folders", classes={"A": 4}, channels={"A": 3})
        assert text.startswith("channels.A and classes.A are both set")
        save(maps / "trainA/sub ü/00.png", 1)
        data = Paired(root=maps, layout="folders", classes={"A": 4}, validation=0)
        text = complaint(data.sample, split="train", domain="A", index=0)
        assert text.startswith(f"{maps}/trainA/sub ü/00.png: a label map of mode RGB holds colours, not classes")


@pytest.mark.parametrize("layout", ["side_by_side", "folders"])
def test_files_that_are_not_read_are_counted(root: Path, two: Path, layout: Any) -> None:
    places = {"side_by_side": [root / "train"], "folders": [two / "trainA", two / "trainB"]}[layout]
    home = root if layout == "side_by_side" else two
    assert Paired(root=home, layout=layout).notes() == []
    for folder in places:
        (folder / "photo.raw").write_bytes(b"x")
    lines = Paired(root=home, layout=layout).notes()
    assert len(lines) == len(places)
    for folder, line in zip(places, lines, strict=True):
        assert line.startswith(f"{folder}: ") and ".raw" in line
