"""ganzoo data prepare: the layouts of downloads, converted completely or not at all; nothing is overwritten."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from ganzoo.cli.data import prepare_command
from ganzoo.data.downloads import GENRES, LAYOUTS, PARTS, _some
from ganzoo.data.image_io import open_image
from ganzoo_datasets.folders import Folders
from ganzoo_datasets.paired import Paired
from tests.support.command_line import Run
from tests.support.spellings import spell_otherwise


def write(file: Path, pixels: np.ndarray) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.astype(np.uint8)).save(file)
    return file


def random_image(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3))


def pixels(file: Path) -> np.ndarray:
    with open_image(file) as opened:
        return np.asarray(opened)


@pytest.fixture
def downloaded_maps(tmp_path: Path) -> Path:
    for seed, name in enumerate(("train/1", "train/2", "val/1")):
        write(tmp_path / f"maps/{name}.png", random_image(6, 16, seed))
    return tmp_path / "maps"


def test_maps_are_split(downloaded_maps: Path, tmp_path: Path, run: Run) -> None:
    out = tmp_path / "out"
    code, _, err = run("data", "prepare", "maps", downloaded_maps, "-o", out)
    assert code == 0 and err.endswith(f"{out}: 6 images\n")
    whole = pixels(downloaded_maps / "train/2.png")
    assert np.array_equal(pixels(out / "trainA/2.png"), whole[:, :8])
    assert np.array_equal(pixels(out / "trainB/2.png"), whole[:, 8:])
    data = Folders(root=out, validation=0)
    assert [data.count(split, "A") for split in ("train", "test")] == [2, 1]


def test_cityscapes_has_label_images_in_colours(tmp_path: Path, run: Run) -> None:
    for split in ("train", "val"):
        stem = "town_000_001"
        labels = np.repeat(np.array([[[128, 64, 128]], [[0, 0, 142]]]), 8, 1)
        write(tmp_path / f"city/gtFine/{split}/town/{stem}_gtFine_color.png", labels)
        write(tmp_path / f"city/leftImg8bit/{split}/town/{stem}_leftImg8bit.png", random_image(2, 8))
    code, _, err = run("data", "prepare", "cityscapes", tmp_path / "city", "-o", tmp_path / "out")
    assert code == 0, err
    colours = pixels(tmp_path / "out/trainA/town_000_001.png").reshape(-1, 3)
    assert {tuple(one) for one in colours.tolist()} == {(128, 64, 128), (0, 0, 142)} and len(colours) == 256 * 256
    data = Paired(root=tmp_path / "out", layout="folders", validation=0)
    assert data.count("train", "A") == data.count("test", "A") == 1
    (tmp_path / "city/gtFine/val/town/town_000_001_gtFine_color.png").unlink()
    code, _, err = run("data", "prepare", "cityscapes", tmp_path / "city", "-o", tmp_path / "again")
    assert code and "town_000_001_gtFine_color.png: no such file; it should be from gtFine_trainvaltest.zip" in err
    assert not (tmp_path / "again").exists()


def test_part_masks_become_classes(tmp_path: Path, run: Run) -> None:
    masks, faces = tmp_path / "faces/CelebAMask-HQ-mask-anno", tmp_path / "faces/CelebA-HQ-img"
    skin, hair = np.zeros((4, 4)), np.zeros((4, 4))
    skin[:3], hair[0] = 255, 255
    for number, folder in ((0, "0"), (20000, "10")):
        write(masks / f"{folder}/{number:05d}_skin.png", skin)
        write(masks / f"{folder}/{number:05d}_hair.png", hair)
        write(faces / f"{number}.jpg", random_image(8, 8))
    code, _, err = run("data", "prepare", "celebamask_hq", tmp_path / "faces", "-o", tmp_path / "out")
    assert code == 0, err
    assert [PARTS.index(part) + 1 for part in ("skin", "hair", "cloth")] == [1, 13, 18]
    assert pixels(tmp_path / "out/test/masks/20000.png")[:, 0].tolist() == [13, 1, 1, 0]
    folders = {"A": "{split}/masks", "B": "{split}/images"}
    data = Paired(root=tmp_path / "out", layout="folders", folders=folders, classes={"A": 19}, validation=0)  # type: ignore[arg-type]
    sample = data.sample("train", "A", 0)
    assert data.count("test", "A") == 1 and sample.image[:, 0, 0].tolist() == [13, 1, 1, 0]
    write(faces / "7.jpg", random_image(8, 8))
    code, _, err = run("data", "prepare", "celebamask_hq", tmp_path / "faces", "-o", tmp_path / "again")
    assert code and "7.jpg: it has no masks in CelebAMask-HQ-mask-anno" in err


def test_wikiart_is_sorted_by_artist_and_genre(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(GENRES, "landscapes", ("4", 1))
    names = {
        "Impressionism/claude-monet_a.jpg": "4",
        "Realism/claude-monet_a.jpg": "4",
        "Cubism/paul-cezanne_b.jpg": "9",
        "Realism/vincent-van-gogh_c.jpg": "6",
        "Ukiyo_e/hiroshige_d.jpg": "1",
    }
    for name in names:
        write(tmp_path / "wikiart" / name, random_image(4, 4))
    lines = [f"{name},{genre}\n" for name, genre in names.items()]
    (tmp_path / "wikiart/genre_train.csv").write_text("".join(lines[:3]))
    code, _, err = run("data", "prepare", "wikiart", tmp_path / "wikiart", "-o", tmp_path / "out")
    assert code and "genre_val.csv: no such file" in err
    (tmp_path / "wikiart/genre_val.csv").write_text("".join(lines[3:]))
    code, _, err = run("data", "prepare", "wikiart", tmp_path / "wikiart", "-o", tmp_path / "out")
    assert code == 0, err
    sets = [one for one in (tmp_path / "out").iterdir() if one.is_dir()]
    found = {one.name: sorted(file.name for file in one.iterdir()) for one in sets}
    assert len(found.pop("landscapes")) == 1  # not more than the paper has
    assert found == {
        "monet": ["Impressionism_claude-monet_a.jpg", "Realism_claude-monet_a.jpg"],
        "cezanne": ["Cubism_paul-cezanne_b.jpg"],
        "vangogh": ["Realism_vincent-van-gogh_c.jpg"],
        "ukiyoe": ["Ukiyo_e_hiroshige_d.jpg"],
        "portraits": ["Realism_vincent-van-gogh_c.jpg"],
    }


def test_names_that_are_not_utf8_are_prepared(tmp_path: Path) -> None:
    names = ["Ukiyo_e/hiroshige_a.jpg", "Ukiyo_e/hiroshige_\udce9.jpg"]
    assert sorted(_some(names, 2)) == names
    assert _some(reversed(names), 1) == _some(names, 1)


def test_the_command_knows_every_layout() -> None:
    (names,) = (one.type.choices for one in prepare_command.params if isinstance(one.type, click.Choice))
    assert [*names] == [*LAYOUTS]


def test_nothing_is_overwritten(
    downloaded_maps: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    words = ("data", "prepare", "maps", downloaded_maps, "-o")
    assert run(*words, out)[0] == 0
    (out / "trainA/1.png").unlink()
    code, _, err = run(*words, out)
    assert code and "it exists already; --fresh replaces it" in err and not (out / "trainA/1.png").exists()
    assert run(*words, out, "--fresh")[0] == 0 and (out / "trainA/1.png").is_file()
    own = tmp_path / "own"
    own.mkdir()
    (own / "diary.txt").write_text("mine")
    for more in ((), ("--fresh",)):
        for place in (own, own / "diary.txt"):
            code, _, err = run(*words, place, *more)
            assert code and "this command did not make it" in err and "--fresh" not in err
            assert (own / "diary.txt").read_text() == "mine"
    for place in (downloaded_maps / "out", spell_otherwise(downloaded_maps, monkeypatch) / "out"):
        code, _, err = run(*words, place)
        assert code and "it is in the downloaded folder" in err


@pytest.mark.parametrize("more", [(), ("--fresh",)])
def test_an_empty_folder_is_used(downloaded_maps: Path, tmp_path: Path, run: Run, more: tuple[str, ...]) -> None:
    (tmp_path / "out").mkdir()
    code, _, err = run("data", "prepare", "maps", downloaded_maps, "-o", tmp_path / "out", *more)
    assert code == 0, err
    assert (tmp_path / "out/trainA/1.png").is_file()


def test_a_failure_leaves_nothing(downloaded_maps: Path, tmp_path: Path, run: Run) -> None:
    (downloaded_maps / "val/2.png").write_bytes(b"no image")
    code, _, err = run("data", "prepare", "maps", downloaded_maps, "-o", tmp_path / "out")
    assert code and "val/2.png" in err and "Traceback" not in err
    assert [one.name for one in tmp_path.iterdir() if one.suffix != ".lock"] == ["maps"]
    code, _, err = run("data", "prepare", "maps", tmp_path / "maps/val/none", "-o", tmp_path / "out")
    assert code and "does not exist" in err
    (tmp_path / "empty").mkdir()
    code, _, err = run("data", "prepare", "maps", tmp_path / "empty", "-o", tmp_path / "out")
    assert code and "it has no images; it should be from pix2pix's data set maps" in err


def test_a_full_disk_is_not_blamed_on_an_image(
    downloaded_maps: Path, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    code, _, err = run("data", "prepare", "maps", downloaded_maps, "-o", tmp_path / "out")
    assert code == 2 and "cannot be written" in err and "No space left on device" in err
    assert str(downloaded_maps) not in err


def test_two_images_that_would_become_one_file_are_refused(downloaded_maps: Path, tmp_path: Path, run: Run) -> None:
    (downloaded_maps / "train/._1.png").write_bytes(b"of macOS, no image")
    write(downloaded_maps / "train/sub/1.png", random_image(6, 16))
    code, _, err = run("data", "prepare", "maps", downloaded_maps, "-o", tmp_path / "out")
    assert code == 2 and "train/sub/1.png: another image would become trainA/1.png, too" in err
    (downloaded_maps / "train/sub/1.png").unlink()
    assert run("data", "prepare", "maps", downloaded_maps, "-o", tmp_path / "out")[0] == 0
    assert len(list((tmp_path / "out/trainA").iterdir())) == 2


def test_a_table_of_genres_of_another_encoding_is_refused_in_one_line(tmp_path: Path, run: Run) -> None:
    write(tmp_path / "wikiart/Ukiyo_e/hiroshige_d.jpg", random_image(4, 4))
    (tmp_path / "wikiart/genre_train.csv").write_bytes("Realism/élan.jpg,4\n".encode("latin-1"))
    code, _, err = run("data", "prepare", "wikiart", tmp_path / "wikiart", "-o", tmp_path / "out")
    assert code == 2 and "genre_train.csv: damaged: it is not text (UTF-8)" in err and err.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_what_a_link_names_is_replaced_and_the_link_stays(downloaded_maps: Path, tmp_path: Path, run: Run) -> None:
    words = ("data", "prepare", "maps", downloaded_maps, "-o", tmp_path / "link")
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk/maps")
    for more in ((), ("--fresh",), ("--fresh",)):
        code, _, err = run(*words, *more)
        assert code == 0, err
        assert (tmp_path / "link").is_symlink() and (tmp_path / "disk/maps/trainA/1.png").is_file()
    assert sorted(one.name for one in (tmp_path / "disk").iterdir() if one.suffix != ".lock") == ["maps"]


def test_a_damaged_painting_is_named(tmp_path: Path, run: Run) -> None:
    names = ["claude-monet_a", "paul-cezanne_a", "vincent-van-gogh_a"]
    for name in (*(f"Realism/{one}" for one in names), "Ukiyo_e/one_a"):
        write(tmp_path / f"wikiart/{name}.jpg", random_image(4, 4))
    (tmp_path / "wikiart/Realism/claude-monet_folder.jpg").mkdir()
    genres = "Realism/claude-monet_a.jpg,4\nRealism/paul-cezanne_a.jpg,6\n"
    for name in ("genre_train.csv", "genre_val.csv"):
        (tmp_path / "wikiart" / name).write_text(genres)
    damaged = tmp_path / "wikiart/Realism/vincent-van-gogh_a.jpg"
    words = ("data", "prepare", "wikiart", tmp_path / "wikiart", "-o", tmp_path / "out")
    assert run(*words)[0] == 0
    damaged.write_bytes(damaged.read_bytes()[:-40])
    code, _, err = run(*words, "--fresh")
    assert code == 2 and err.startswith(f"ganzoo: {damaged}: ") and "free some space" not in err
