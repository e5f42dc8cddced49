"""Building a bank: the classes of a window, what makes another bank, and messages for mistakes."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo_art2real.bank import BACKGROUND, Bank, Scale
from ganzoo_art2real.bank_builder import Settings, build_bank, count_pixels, read_scales, refuse_too_many
from tests.support.archives import zip_of_folder
from tests.support.photographs import SMALL, scene, write_labels, write_photographs

ONE = Settings(size=10, scales=(Scale(5, 5),))


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


@pytest.mark.parametrize("scale", [Scale(1, 1), Scale(4, 3), Scale(7, 2), Scale(16, 6)])
def test_pixels_in_a_window_are_counted_right(scale: Scale) -> None:
    where = np.random.default_rng(0).random((22, 22)) < 0.4
    patch, stride = scale
    starts = range(0, 22 - patch + 1, stride)
    plain = [[where[top : top + patch, left : left + patch].sum() for left in starts] for top in starts]
    assert count_pixels(where, scale).tolist() == plain


def test_a_fifth_of_a_window_is_enough_and_less_is_not(tmp_path: Path) -> None:
    """Four windows of 25 pixels, of which 5 are a fifth: two classes at the share, one below it, and what is left."""
    labels = np.zeros((10, 10), np.uint8)
    labels[0, :5] = 1  # 5 of the first window's
    labels[1, :4] = 2  # 4: too few
    labels[:5, 5:] = 3  # all of the second
    labels[5:, :5] = 1
    labels[5:7, :5] = 2  # 10 of the third's, beside 15 of class 1
    labels[5:, 5:] = 2
    labels[9, 5:] = 0  # 5 of the fourth's are no class
    photograph = save(tmp_path / "photographs/a.png", scene(0, 10, 10))
    save(tmp_path / "labels/a.png", labels)
    bank = build_bank([photograph], tmp_path / "bank", ONE, labels=tmp_path / "labels")
    assert {label: bank.numbers(label, (5, 5)).tolist() for label in bank.classes} == {
        BACKGROUND: [0, 3],
        1: [0, 2],
        2: [2, 3],
        3: [1],
    }


def test_the_share_decides(tmp_path: Path, photographs: Path, labels: Path) -> None:
    counts = [
        build_bank(
            [photographs], tmp_path / str(share), Settings(size=24, scales=SMALL.scales, share=share), labels=labels
        ).count(1, (6, 5))
        for share in (1e-6, 0.2, 0.5, 1.0)
    ]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) == 4


def test_without_classes_everything_is_background(tmp_path: Path, photographs: Path) -> None:
    bank = build_bank([photographs], tmp_path / "bank", SMALL)
    assert bank.classes == (BACKGROUND,)
    for scale in bank.scales:
        assert bank.numbers(BACKGROUND, scale).tolist() == list(range(5 * bank.windows(scale)))


def test_a_background_may_be_empty(tmp_path: Path, photographs: Path) -> None:
    for file in photographs.iterdir():
        save(tmp_path / "labels" / file.name, np.full((30, 36), 2, np.uint8))
    bank = build_bank([photographs], tmp_path / "bank", SMALL, labels=tmp_path / "labels")
    assert [bank.count(label, (4, 4)) for label in (0, 2)] == [0, 5 * 36]
    assert bank.resolve(5, bank.scales[0]) == BACKGROUND


def test_palette_maps_give_their_indices(tmp_path: Path, photographs: Path, labels: Path, bank: Bank) -> None:
    for file in labels.iterdir():
        with Image.open(file) as image:
            indexed = Image.fromarray(np.asarray(image)).convert("P")
            indexed.putdata(list(np.asarray(image).flatten()))
            indexed.putpalette([7 * i % 256 for i in range(768)])
            (tmp_path / "palette").mkdir(exist_ok=True)
            indexed.save(tmp_path / "palette" / file.name)
    other = build_bank([photographs], tmp_path / "other", SMALL, labels=tmp_path / "palette")
    assert other.names == bank.names
    assert all(
        np.array_equal(other.numbers(label, scale), bank.numbers(label, scale))
        for label in bank.classes
        for scale in bank.scales
    )


def test_order_of_files_and_folders_and_a_limit(tmp_path: Path, photographs: Path) -> None:
    deeper = write_photographs(tmp_path / "more/deeper", 2, first=7)
    bank = build_bank([photographs / "003.png", tmp_path / "more", photographs], tmp_path / "bank", SMALL, limit=5)
    assert bank.photographs == ["003.png", "deeper/007.png", "deeper/008.png", "000.png", "001.png"]
    assert torch.equal(
        bank.images(torch.device("cpu"))[1],
        build_bank([deeper / "007.png"], tmp_path / "one", SMALL).images(torch.device("cpu"))[0],
    )


def test_grey_photographs_become_rgb(tmp_path: Path) -> None:
    grey = save(tmp_path / "grey.png", scene(0)[:, :, 0])
    pixels = build_bank([grey], tmp_path / "bank", SMALL).images(torch.device("cpu"))
    assert torch.equal(pixels[..., 0], pixels[..., 2])


def test_building_the_same_bank_again_does_nothing(
    tmp_path: Path, photographs: Path, labels: Path, bank: Bank, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {file: file.stat().st_mtime_ns for file in bank.folder.iterdir()}
    again = build_bank([photographs], bank.folder, SMALL, labels=labels)
    assert again.key == bank.key
    assert {file: file.stat().st_mtime_ns for file in bank.folder.iterdir()} == before
    assert f"bank: this bank exists already (key {bank.key[:12]}); nothing to do" in capsys.readouterr().out
    moved = write_photographs(tmp_path / "elsewhere")
    assert build_bank([moved], bank.folder, SMALL, labels=labels).key == bank.key


def test_equal_photographs_give_equal_banks(tmp_path: Path, photographs: Path, labels: Path, bank: Bank) -> None:
    other = build_bank([photographs], tmp_path / "other", SMALL, labels=labels)
    assert files(other.folder) == files(bank.folder)


def test_zip_files_of_photographs_and_label_maps_give_equal_banks(
    tmp_path: Path, photographs: Path, labels: Path, bank: Bank
) -> None:
    archives = [zip_of_folder(tmp_path / f"{one.name}.zip", one) for one in (photographs, labels)]
    other = build_bank([archives[0]], tmp_path / "other", SMALL, labels=archives[1])
    assert files(other.folder) == files(bank.folder)


def test_a_stale_bank_is_refused_by_name(tmp_path: Path, photographs: Path, labels: Path, bank: Bank) -> None:
    before = files(bank.folder)

    def refused(message: str, settings: Settings = SMALL, maps: Path | None = labels) -> None:
        with pytest.raises(GanzooError, match=f"bank: a stale bank: {message}; --fresh replaces it$"):
            build_bank([photographs], bank.folder, settings, labels=maps)

    refused("size was 24, is 20", Settings(size=20, scales=SMALL.scales))
    refused(r"scales was \[\[4, 4\], \[6, 5\]\], is \[\[4, 4\]\]", Settings(size=24, scales=SMALL.scales[:1]))
    refused("share was 0.2, is 0.3", Settings(size=24, scales=SMALL.scales, share=0.3))
    refused("classes was label maps, is none; of 5 photographs 5 are new or changed, 5 of .* are missing", maps=None)
    save(labels / "002.png", np.zeros((30, 36), np.uint8))
    refused("of 5 photographs 1 are new or changed, 1 of the bank's are missing")
    write_labels(labels)
    save(photographs / "004.png", scene(99))
    refused("of 5 photographs 1 are new or changed, 1 of the bank's are missing")
    assert files(bank.folder) == before
    assert build_bank([photographs], bank.folder, SMALL, labels=labels, fresh=True).key != bank.key
    assert files(bank.folder) != before


def test_a_bank_in_the_folder_of_its_photographs_is_not_read(photographs: Path) -> None:
    first = build_bank([photographs], photographs / "bank", SMALL)
    assert build_bank([photographs], photographs / "bank", SMALL).key == first.key


def test_a_folder_that_is_not_a_bank_is_never_replaced(tmp_path: Path, photographs: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "mine/thesis.txt").write_text("years")
    for fresh in (False, True):
        with pytest.raises(GanzooError, match="mine: it exists and is not a bank; choose another folder for -o"):
            build_bank([photographs], tmp_path / "mine", SMALL, fresh=fresh)
    assert (tmp_path / "mine/thesis.txt").read_text() == "years"
    assert len(build_bank([photographs], tmp_path / "empty", SMALL).photographs) == 5


def test_a_damaged_bank_is_replaced_only_when_asked(photographs: Path, labels: Path, bank: Bank) -> None:
    (bank.folder / "images.npy").write_bytes(b"")
    with pytest.raises(GanzooError, match="a damaged bank"):
        build_bank([photographs], bank.folder, SMALL, labels=labels)
    assert build_bank([photographs], bank.folder, SMALL, labels=labels, fresh=True).key == bank.key


def test_what_a_killed_build_left_is_deleted_at_the_next_one(photographs: Path, labels: Path, bank: Bank) -> None:
    for name in (".bank.new", ".bank.old"):
        shutil.copytree(bank.folder, bank.folder.with_name(name))
    build_bank([photographs], bank.folder, SMALL, labels=labels)
    assert [one.name for one in bank.folder.parent.glob(".bank.*")] == [".bank.lock"]


@pytest.mark.skipif(sys.platform == "win32", reason="there are no named pipes")
def test_a_pipe_among_the_photographs_is_refused_at_once(tmp_path: Path, photographs: Path) -> None:
    os.mkfifo(photographs / "pipe.png")
    with pytest.raises(GanzooError, match=r"pipe\.png: a pipe or a device, not a file; remove it"):
        build_bank([photographs], tmp_path / "piped", SMALL)


def test_an_unreadable_photograph_ends_the_build_and_leaves_no_bank(tmp_path: Path, photographs: Path) -> None:
    (photographs / "002.png").write_bytes((photographs / "002.png").read_bytes()[:-50])
    with pytest.raises(GanzooError, match=r"002\.png: truncated"):
        build_bank([photographs], tmp_path / "bank", SMALL)
    assert sorted(one.name for one in tmp_path.iterdir()) == [".bank.lock", "photographs"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            lambda folder: write_labels(folder, 4),
            r"004\.\*: no labels for the image",
        ),
        (lambda folder: save(folder / "000.png", np.zeros((9, 9), np.uint8)), r"000\.png: 9×9 pixels, but its image"),
        (lambda folder: save(folder / "000.png", scene(0)), r"000\.png: a label map of mode RGB holds colours"),
        (lambda folder: folder.rename(folder.with_name("gone")), "labels: no such folder; it should hold the labels"),
    ],
)
def test_label_maps_that_do_not_fit(tmp_path: Path, photographs: Path, labels: object, message: str) -> None:
    folder = write_labels(tmp_path / "labels", 5)
    if message.startswith("004"):
        (folder / "004.png").unlink()
    assert callable(labels)
    labels(folder)
    with pytest.raises(GanzooError, match=message):
        build_bank([photographs], tmp_path / "bank", SMALL, labels=folder)


def test_label_maps_of_photographs_with_one_name_are_refused(tmp_path: Path, photographs: Path, labels: Path) -> None:
    other = write_photographs(tmp_path / "other", 1)
    with pytest.raises(GanzooError, match=r"labels: '000\.png' names several photographs"):
        build_bank([photographs, other], tmp_path / "bank", SMALL, labels=labels)


def test_missing_photographs_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(GanzooError, match="none: no images in it or below"):
        build_bank([tmp_path / "none"], tmp_path / "bank", SMALL)
    with pytest.raises(GanzooError, match="nowhere: no such photograph or folder; check the path"):
        build_bank([tmp_path / "nowhere"], tmp_path / "bank", SMALL)


def test_a_bank_is_not_replaced_by_one_of_no_photographs(tmp_path: Path, bank: Bank) -> None:
    save(bank.folder / "stray.png", scene(1))
    with pytest.raises(GanzooError, match="no photographs but those in the bank's folder"):
        build_bank([bank.folder], bank.folder, SMALL, fresh=True)
    assert Bank.open(bank.folder).key == bank.key


def test_more_windows_than_int32_can_number_are_refused() -> None:
    dense = Settings(size=256, scales=(Scale(16, 6), Scale(4, 1)))
    refuse_too_many(33_549, dense)
    with pytest.raises(
        GanzooError, match=r"33,550 photographs have 2,147,501,950 windows of 4×4, more than the maximum of 2,147,"
    ):
        refuse_too_many(33_550, dense)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"share": 0.0}, "--share is 0.0"),
        ({"share": 1.5}, "--share is 1.5"),
        ({"size": 8}, "windows of 16 pixels, 6 apart, do not fit images of --size 8"),
        ({"scales": (Scale(4, 0),)}, "windows of 4 pixels, 0 apart"),
        ({"scales": (Scale(4, 4), Scale(4, 4))}, "each once"),
        ({"scales": ()}, "give one or more"),
    ],
)
def test_invalid_settings(fields: dict[str, object], message: str) -> None:
    with pytest.raises(GanzooError, match=message):
        Settings(**fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "text", ["4,4", "[4,4]", "[[4]]", "[[4,4,4]]", "[[4,'a']]", "[[4,4.5]]", "[[4,4", "{}: x", "[[true,4]]"]
)
def test_scales_that_cannot_be_read(text: str) -> None:
    with pytest.raises(GanzooError, match="is not a list of"):
        read_scales(text)
