from __future__ import annotations

import stat
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.interfaces import Dataset
from ganzoo.provenance.images import image_list, read_images
from ganzoo.recipe.reader import read_recipe
from ganzoo_datasets import archives
from ganzoo_datasets.folders import Folders
from ganzoo_datasets.paired import Paired
from ganzoo_datasets.zip_files import ZipMember
from tests.support.archives import noise, png, write_zip, zip_of_folder
from tests.support.image_folders import names, save
from tests.support.tiny_run import write_recipe


def assert_same(one: Dataset, other: Dataset) -> None:
    """Compare every image, mask and label map of two data sets, and the checksums of their files."""
    for split in ("train", "validation", "test"):
        for domain in one.channels:
            assert names(one, split, domain) == names(other, split, domain)
            for index in range(one.count(split, domain)):
                first, second = (data.sample(split, domain, index) for data in (one, other))
                assert np.array_equal(first.image, second.image)
                for plane in ("mask", "labels", "target"):
                    planes = [getattr(sample, plane) for sample in (first, second)]
                    assert (planes[0] is None) == (planes[1] is None)
                    assert planes[0] is None or np.array_equal(*planes)
    assert image_list(read_images(one)) == image_list(read_images(other))


@pytest.mark.parametrize("top", ["", "horse2zebra/"])
def test_a_zip_file_gives_what_its_folder_gives(root: Path, tmp_path: Path, top: str) -> None:
    for name in ("a.png", "b 1.png", "deep/er/c.png", "deep/ü.png"):
        save(root / "trainA_masks" / name, 200, mode="L")
        save(root / "trainA_labels" / name, 3, mode="L")
    archive = zip_of_folder(tmp_path / "all.zip", root, top)
    assert_same(Folders(root=root), Folders(root=archive))
    assert Folders(root=archive).sample("train", "A", 0).mask is not None


def test_folders_in_a_zip_file_and_masks_beside_it(root: Path, tmp_path: Path) -> None:
    whole = zip_of_folder(tmp_path / "all.zip", root)
    save(root / "trainB_masks/x.png", 255, mode="L")
    save(root / "trainB_masks/y.png", 255, mode="L")
    horses = zip_of_folder(tmp_path / "zebras.zip", root / "trainB", "zebras/")
    zip_of_folder(tmp_path / "zebras_masks.zip", root / "trainB_masks")
    data = Folders(A=whole / "trainA", B=horses, test_A=whole / "testA", validation=0)
    assert names(data, "train", "A") == ["a.png", "b 1.png", "deep/er/c.png", "deep/ü.png"]
    assert names(data, "train", "B") == ["x.png", "y.png"]
    assert data.count("test", "A") == 1
    mask = data.sample("train", "B", 0).mask
    assert mask is not None and mask.min() == 255
    assert data.sample("train", "A", 0).mask is None


def test_pairs_in_a_zip_file(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(3):
            save(tmp_path / f"pairs/{split}A/{number}.png", number)
            save(tmp_path / f"pairs/{split}B/{number}.png", 100 + number)
            save(tmp_path / f"halves/{split}/{number}.png", number)
    archive = zip_of_folder(tmp_path / "pairs.zip", tmp_path / "pairs")
    halves = zip_of_folder(tmp_path / "halves.zip", tmp_path / "halves")
    assert_same(Paired(root=tmp_path / "pairs", layout="folders"), Paired(root=archive, layout="folders"))
    assert_same(Paired(root=tmp_path / "halves"), Paired(root=halves))


def test_deep_values_arrays_and_drafts_are_read_as_from_files(tmp_path: Path) -> None:
    folder = tmp_path / "deep"
    folder.mkdir()
    values = np.arange(24, dtype=np.int16).reshape(4, 6, 1) * 100
    np.save(folder / "scan.npy", values)
    archive = zip_of_folder(tmp_path / "deep.zip", folder)
    data = Folders(A=archive, channels={"A": 1}, range={"A": (0, 2000)})
    assert np.allclose(data.sample("train", "A", 0).image, (values * (255 / 2000)).clip(0, 255), atol=1e-3)
    assert data.notes() == Folders(A=folder, channels={"A": 1}, range={"A": (0, 2000)}).notes() != []
    large = write_zip(tmp_path / "large.zip", {"a.jpg": noise(0, (800, 600), "JPEG")})
    assert Folders(A=large).sample_to_scale("train", "A", 0, 64).image.shape == (150, 200, 3)


def test_files_that_are_not_read_are_counted(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("link.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = write_zip(tmp_path / "a.zip", {"ok.png": png(), "notes.txt": b"", "README": b"", "../out.png": png()})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr("/root.png", png())
        archive.writestr("c\\..\\..\\d.png", png())
        archive.writestr("__MACOSX/._ok.png", b"resource")
    data = Folders(A=path)
    assert names(data, "train", "A") == ["ok.png"]
    assert data.notes() == [
        f"{path}: 2 files are not read: 1 without an ending, 1 .txt",
        f"{path}: 4 members are not read: links, or paths that lead out of the archive ('../out.png')",
    ]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_threads_read_members_at_the_same_time(tmp_path: Path, method: int) -> None:
    members = {f"{number:03}.png": noise(number) for number in range(60)}
    data = Folders(A=write_zip(tmp_path / "a.zip", members, method), validation=0)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda i: data.sample("train", "A", i % 60).image, range(600)))
    for number in range(60):
        expected = np.random.default_rng(number).integers(0, 256, (4, 6, 3), np.uint8)
        assert all(np.array_equal(images[i], expected) for i in range(number, 600, 60))


def test_what_was_read_is_remembered_until_the_archive_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The members share the archive's size and times, so each must be remembered by its own name."""
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("ganzoo.provenance.images.TICK", 0)
    opened: list[str] = []
    read = ZipMember.read

    def spy(member: ZipMember) -> bytes:
        opened.append(member.name)
        return read(member)

    monkeypatch.setattr(ZipMember, "read", spy)
    recipe = write_recipe(tmp_path)
    plain = read_images(read_recipe(recipe).data.make())
    archive = zip_of_folder(tmp_path / "images.zip", tmp_path / "images")
    recipe.write_text(recipe.read_text().replace(str(tmp_path / "images"), str(archive)))
    part = read_recipe(recipe).data
    first = read_images(part.make(), data=part)
    assert first == plain and len(set(opened)) == 30
    del opened[:]
    assert read_images(part.make(), data=part) == first and opened == []
    save(tmp_path / "images/trainA/03.png", 9, (20, 16))
    zip_of_folder(archive, tmp_path / "images")
    changed = read_images(part.make(), data=part)
    assert [place for place in changed if changed[place] != first[place]] == [("train", "A")]
    assert len(set(opened)) == 30


def make_encrypted(path: Path) -> None:
    write_zip(path, {"a.png": png()})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\1\2")
    content[central + 8] |= 1
    path.write_bytes(content)


def make_newer(path: Path) -> None:
    write_zip(path, {"a.png": png()})
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 6] = 99  # the version that is needed, 9.9
    path.write_bytes(content)


def make_truncated(path: Path) -> None:
    path.write_bytes(write_zip(path, {"a.png": noise(0, (60, 60))}).read_bytes()[:-30])


def make_twice(path: Path) -> None:
    write_zip(path, {"a.png": png()})
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.png", png(1))


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (make_encrypted, "1 images in it are encrypted"),
        (make_truncated, "no zip file, or truncated"),
        (make_newer, r"it cannot be read \(zip file version 9\.9\); unpack it"),
        (make_twice, "a.png is there twice"),
        (lambda path: write_zip(path, {"a.png": png()}, zipfile.ZIP_LZMA), "packed by method 14"),
        (lambda path: path.write_bytes(b"GIF89a"), "no zip file"),
        (lambda path: write_zip(path, {"a.txt": b""}), "no images in it"),
    ],
)
def test_a_zip_file_that_cannot_be_used_is_an_error_of_one_line(tmp_path: Path, make: object, problem: str) -> None:
    path = tmp_path / "a.zip"
    make(path)  # type: ignore[operator]
    with pytest.raises(GanzooError, match=problem) as caught:
        Folders(A=path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_damaged_members_are_errors_that_name_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = {"a.png": noise(0, (60, 60)), "b.png": noise(1, (60, 60))}
    path = write_zip(tmp_path / "a.zip", members, zipfile.ZIP_STORED)
    data = Folders(A=path, validation=0)
    content = bytearray(path.read_bytes())
    content[200] ^= 1
    path.write_bytes(content)
    with pytest.raises(GanzooError, match=r"a\.zip/a\.png: damaged in the archive"):
        data.sample("train", "A", 0)
    assert data.sample("train", "A", 1).image.shape == (60, 60, 3)
    monkeypatch.setattr(archives, "MOST_BYTES", 1000)
    with pytest.raises(GanzooError, match=r"b\.png: it takes"):
        data.sample("train", "A", 1)
    path.unlink()
    monkeypatch.undo()
    with pytest.raises(MissingResourceError, match=r"a\.zip/a\.png"):
        data.sample("train", "A", 0)


def test_a_member_that_unpacks_to_more_than_it_says_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "a.zip", {"a.png": bytes(10_000_000)})
    content = bytearray(path.read_bytes())
    central = content.index(b"PK\1\2")
    content[central + 24 : central + 28] = struct.pack("<I", 100)
    path.write_bytes(content)
    with pytest.raises(GanzooError, match="damaged in the archive"):
        Folders(A=path).sample("train", "A", 0)


def test_a_missing_folder_in_a_zip_file_is_named(root: Path, tmp_path: Path) -> None:
    archive = zip_of_folder(tmp_path / "all.zip", root)
    with pytest.raises(
        MissingResourceError, match=r"all\.zip/trainC: no such folder in the archive.*did you mean 'train"
    ):
        Folders(A=archive / "trainC")
    with pytest.raises(MissingResourceError, match=r"nowhere\.zip: no such zip file; check the path"):
        Folders(A=tmp_path / "nowhere.zip")
    with pytest.raises(MissingResourceError, match=r"x\.zip/trainA: no such folder in the archive; put trainA"):
        Folders(root=write_zip(tmp_path / "x.zip", {"a.png": png()}))
