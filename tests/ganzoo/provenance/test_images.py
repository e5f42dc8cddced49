"""Every image read once: all bad ones listed, good ones remembered until their files change."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.interfaces import Dataset, Sample, Split
from ganzoo.provenance import images as module
from ganzoo.provenance.images import data_key, image_list, read_image_list, read_images, shared_with_training
from ganzoo.provenance.sessions import TRAINED_ON, make_session
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.schema import Part
from tests.support.command_line import Run
from tests.support.stand_in_methods import Noise
from tests.support.tiny_run import write_recipe


@pytest.fixture
def part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Part:
    """Return the data of a recipe with 12 training and 3 test images a domain, and a cache of its own."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "TICK", 0)
    return read_recipe(write_recipe(tmp_path)).data


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the names of the images that data sets decode during a test."""
    from ganzoo_datasets.files import read_sample as read

    names: list[str] = []

    def spy(entry, *words, **options):  # type: ignore[no-untyped-def]
        names.append(entry.path.parent.name + "/" + entry.path.name)
        return read(entry, *words, **options)

    monkeypatch.setattr("ganzoo_datasets.entry_dataset.read_sample", spy)
    return names


def test_all_bad_images_are_listed(tmp_path: Path, part: Part) -> None:
    (tmp_path / "images/trainA/03.png").write_bytes(b"no image")
    (tmp_path / "images/testB/01.png").write_bytes(b"")
    with pytest.raises(GanzooError) as caught:
        read_images(part.make(), data=part)
    first, *lines = str(caught.value).splitlines()
    assert first == "data: 2 of 30 images cannot be read:"
    assert [line.partition(": ")[0] for line in lines] == [
        str(tmp_path / "images/trainA/03.png"), str(tmp_path / "images/testB/01.png"),
    ]  # fmt: skip


def test_one_bad_image_is_one_line_and_a_vanished_one_is_missing(tmp_path: Path, part: Part) -> None:
    dataset = part.make()
    (tmp_path / "images/trainA/03.png").unlink()
    with pytest.raises(MissingResourceError) as caught:
        read_images(dataset, data=part)
    assert str(caught.value) == f"{tmp_path}/images/trainA/03.png: no such file; check the path"


def test_images_are_remembered_until_their_files_change(tmp_path: Path, part: Part, opened: list[str]) -> None:
    first = read_images(part.make(), data=part)
    assert len(opened) == 30
    del opened[:]
    assert read_images(part.make(), data=part) == first and opened == []
    file = tmp_path / "images/trainA/03.png"
    size, times = file.stat().st_size, file.stat()
    time.sleep(0.02)
    file.write_bytes(bytes(size))  # the same size, and then the same time of change: only the entry's time differs
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    with pytest.raises(GanzooError, match=r"trainA/03\.png"):
        read_images(part.make(), data=part)
    assert opened == ["trainA/03.png"]
    del opened[:]
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(file)
    changed = read_images(part.make(), data=part)
    assert opened == ["trainA/03.png"]
    assert [place for place in changed if changed[place] != first[place]] == [("train", "A")]


def test_a_bad_image_is_read_again_each_time_and_the_others_are_not(
    tmp_path: Path, part: Part, opened: list[str]
) -> None:
    (tmp_path / "images/trainA/03.png").write_bytes(b"no image")
    for _ in range(2):
        del opened[:]
        with pytest.raises(GanzooError, match=r"trainA/03\.png"):
            read_images(part.make(), data=part)
    assert opened == ["trainA/03.png"]


def test_other_options_and_a_file_that_just_changed_are_read_again(
    tmp_path: Path, part: Part, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    read_images(part.make(), data=part)
    del opened[:]
    grey = read_recipe(tmp_path / "tiny.yaml", ["data.channels={A: 1, B: 1}"]).data
    read_images(grey.make(), data=grey)
    assert len(opened) == 30
    del opened[:]
    monkeypatch.setattr(module, "TICK", 10**12)
    read_images(part.make(), data=part)
    assert len(opened) == 30


@pytest.mark.parametrize("damage", [b"", b"[1", b"[1]", b'{"x": 1}'])
def test_a_damaged_memory_is_not_used(tmp_path: Path, part: Part, damage: bytes) -> None:
    first = read_images(part.make(), data=part)
    (memory,) = (tmp_path / "cache/images").iterdir()
    memory.write_bytes(damage)
    assert read_images(part.make(), data=part) == first


def test_a_mask_is_one_of_the_files_of_its_image(tmp_path: Path, part: Part, opened: list[str]) -> None:
    masks = tmp_path / "images/trainA_masks"
    masks.mkdir()
    for file in (tmp_path / "images/trainA").iterdir():
        Image.new("L", (20, 16), 255).save(masks / file.name)
    before = read_images(part.make(), data=part)
    del opened[:]
    Image.new("L", (20, 16), 0).save(masks / "03.png")
    after = read_images(part.make(), data=part)
    assert opened == ["trainA/03.png"]
    lists = image_list(before), image_list(after)
    assert [name for name in lists[0]["train/A"] if lists[0]["train/A"][name] != lists[1]["train/A"][name]] == [
        "03.png"
    ]


def test_the_key_of_the_data_is_the_same_with_and_without_memory(part: Part) -> None:
    dataset: Dataset = part.make()
    assert data_key(dataset, "train") == data_key(dataset, "train", part) == data_key(dataset, "train", part)


def test_a_session_takes_the_images_as_the_run_has_read_them(tmp_path: Path) -> None:
    class Unread(Noise):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            raise AssertionError("read again")

    recipe, drawn = read_recipe(write_recipe(tmp_path)), Noise()
    session = make_session(recipe, Unread(), read_images(drawn), {}, 0)
    assert session.images == {split: data_key(drawn, split) for split in TRAINED_ON if drawn.count(split, "A")} != {}


def test_images_without_files_are_read_each_time() -> None:
    class Counting(Noise):
        reads = 0

        def sample(self, split: Split, domain: str, index: int):  # type: ignore[no-untyped-def]
            type(self).reads += 1
            return super().sample(split, domain, index)

    dataset = Counting(A=3, B=2, test=1)
    images = read_images(dataset, ["train"])
    assert {place: len(digests) for place, digests in images.items()} == {("train", "A"): 3, ("train", "B"): 2}
    assert Counting.reads == 5
    dataset.version = "generated"
    assert read_images(dataset) == {} and Counting.reads == 5


def test_check_and_run_list_all_bad_images_before_there_is_a_folder(tmp_path: Path, part: Part, run: Run) -> None:
    for name in ("trainA/03.png", "trainB/04.png"):
        (tmp_path / "images" / name).write_bytes(b"no image")
    for words in (["check", tmp_path / "tiny.yaml"], ["run", tmp_path / "tiny.yaml", "--root", tmp_path / "runs"]):
        code, _, err = run(*words)
        assert code == 2
        assert err.splitlines()[0] == "ganzoo: data: 2 of 30 images cannot be read:"
        assert "trainA/03.png" in err and "trainB/04.png" in err and len(err.splitlines()) == 3
    assert not (tmp_path / "runs").exists()


def test_held_out_images_that_are_training_images_are_named_in_a_run_and_an_evaluation(
    tmp_path: Path, part: Part, run: Run
) -> None:
    images = tmp_path / "images"
    shutil.copy(images / "trainA/04.png", images / "testA/copy.png")
    listed = read_images(part.make(), data=part)
    expected = "1 of 4 test images of A are training images, too (copy.png): metric values do not show"
    (line,) = shared_with_training(listed, image_list(listed))
    assert line.startswith(expected)
    recipe = tmp_path / "tiny.yaml"
    code, out, _ = run("run", recipe, "--root", tmp_path, "train.steps=1", "evaluate.every=0", "evaluate.best=null")
    assert code == 0 and expected in out
    folder = tmp_path / "tiny/default"
    code, out, _ = run("evaluate", folder, "--set", f"data.test_A={images}/trainA", "--set", f"data.A={images}/trainA",
                       "--set", f"data.B={images}/trainB", "--set", f"data.test_B={images}/testB")  # fmt: skip
    assert code == 0 and "11 of 12 test images of A are training images, too (00.png, …)" in out
    assert "test images of B are" not in out  # one training image is held out for validation


def test_held_out_images_that_an_earlier_session_trained_on_are_named(tmp_path: Path, part: Part, run: Run) -> None:
    images, recipe, folder = tmp_path / "images", tmp_path / "tiny.yaml", tmp_path / "tiny/default"
    short = ("--root", tmp_path, "evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null", "data.validation=0")
    assert run("run", recipe, *short, "train.steps=1")[0] == 0
    (images / "trainA/04.png").rename(images / "testA/moved.png")
    (images / "trainA/05.png").write_bytes((images / "trainB/05.png").read_bytes())
    expected = "1 of 4 test images of A are training images, too (moved.png)"
    for steps in (2, 3):  # the third session knows it from the second one's images.json
        code, out, _ = run("run", recipe, *short, f"train.steps={steps}")
        assert code == 0 and expected in out and "earlier" not in out
    listed = read_image_list(folder / "images.json")
    assert sorted(listed["earlier/A"].values()) == ["04.png", "05.png"] and "earlier/B" not in listed
    (images / "testA/moved.png").rename(images / "trainA/04.png")
    assert "too" not in run("run", recipe, *short, "train.steps=4")[1]
    assert [*read_image_list(folder / "images.json")["earlier/A"].values()] == ["05.png"]
    (images / "trainA/04.png").rename(images / "testA/moved.png")
    words = [word for key in ("A", "B") for word in ("--set", f"data.{key}={images}/train{key}",
                                                    "--set", f"data.test_{key}={images}/test{key}")]  # fmt: skip
    code, out, _ = run("evaluate", folder, "--metric", "cycle_l1", *words)
    assert code == 0 and expected in out
