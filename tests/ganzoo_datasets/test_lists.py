from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ganzoo.errors import GanzooError
from ganzoo_datasets.lists import Lists


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Images below ``images`` and outside the lists' own folder; good lists of A and B."""
    for number, name in enumerate(("lists/pics/a b.png", "lists/pics/ü.png", "else/c.png", "else/#d.png")):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (3, 2), number).save(path)
    (tmp_path / "lists/a.txt").write_text("# the first ones\npics/a b.png\n\n  pics/ü.png  \n", "utf-8")
    (tmp_path / "lists/b.txt").write_text(f"../else/c.png\r\n{tmp_path}/else/#d.png", "utf-8")
    return tmp_path / "lists"


def complaint(**options: Any) -> str:
    with pytest.raises(GanzooError) as caught:
        Lists(**options)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_names_and_images(home: Path) -> None:
    data = Lists(train_A=home / "a.txt", train_B=home / "b.txt", validation=0)
    assert [data.count("train", domain) for domain in "AB"] == [2, 2]
    assert [data.sample("train", "A", i).name for i in range(2)] == ["pics/a b.png", "pics/ü.png"]
    samples = [data.sample("train", "B", i) for i in range(2)]
    assert [one.image.max() for one in samples] == [2, 3]
    assert samples[0].name == "else/c.png"
    assert samples[1].name == f"{home.parent}/else/#d.png".lstrip("/")
    assert samples[0].image.shape == (2, 3, 3)


def test_names_never_lead_upwards(home: Path) -> None:
    (home / "up.txt").write_text("pics/../../else/./c.png\n")
    data = Lists(train_A=home / "up.txt", train_B=home / "b.txt")
    assert data.sample("train", "A", 0).name == "else/c.png"


def test_the_same_path_in_and_beside_the_folder_of_the_list(home: Path) -> None:
    Image.new("L", (3, 2), 9).save(home / "c.png")
    Image.new("L", (3, 2), 8).save(home.parent / "c.png")
    for text in ("c.png\n../c.png\n", "../c.png\nc.png\n", "../c.png\n"):
        (home / "both.txt").write_text(text)
        data = Lists(train_A=home / "both.txt", train_B=home / "b.txt", validation=0)
        samples = [data.sample("train", "A", i) for i in range(data.count("train", "A"))]
        expected = {("c.png", 9), ("__/c.png", 8)} if len(samples) == 2 else {("c.png", 8)}
        assert {(one.name, one.image.max()) for one in samples} == expected


def test_a_line_that_is_too_long_for_a_path(home: Path) -> None:
    (home / "a.txt").write_text(f"pics/a b.png\n{'x' * 300}\n")
    text = complaint(train_A=home / "a.txt", train_B=home / "b.txt")
    assert text.startswith(f"{home}/a.txt:2: no such image: {home}/xxx")


def test_splits(home: Path) -> None:
    data = Lists(
        train_A=home / "a.txt",
        train_B=home / "b.txt",
        test_A=home / "b.txt",
        validation_B=home / "a.txt",
        validation=0.999999,
        channels={"B": 1},
    )
    counts = [data.count(s, d) for d in "AB" for s in ("train", "validation", "test")]
    assert counts == [1, 1, 2, 2, 2, 0]
    assert data.sample("validation", "B", 0).image.shape == (2, 3, 1)


def test_byte_order_mark(home: Path) -> None:
    (home / "bom.txt").write_text("pics/ü.png\n", "utf-8-sig")
    assert Lists(train_A=home / "bom.txt", train_B=home / "b.txt").count("train", "A") == 1


def test_missing_image_names_list_and_line(home: Path) -> None:
    (home / "a.txt").write_text("# x\n\npics/a b.png\npics/no.png\n")
    text = complaint(train_A=home / "a.txt", train_B=home / "b.txt")
    assert text.startswith(f"{home}/a.txt:4: no such image: {home}/pics/no.png; ")


def test_image_named_twice(home: Path) -> None:
    (home / "a.txt").write_text("pics/a b.png\n./pics/a b.png\n")
    text = complaint(train_A=home / "a.txt", train_B=home / "b.txt")
    assert text.startswith(f"{home}/a.txt:2: pics/a b.png is also in line 1")


def test_empty_list(home: Path) -> None:
    (home / "a.txt").write_text("# nothing yet\n")
    assert "names no image" in complaint(train_A=home / "a.txt", train_B=home / "b.txt")


def test_missing_list(home: Path) -> None:
    text = complaint(train_A=home / "a.txt", train_B=home / "no.txt")
    assert text == f"{home}/no.txt: no such list; check the path"


def test_a_folder_is_no_list(home: Path) -> None:
    assert "the list cannot be read" in complaint(train_A=home, train_B=home / "b.txt")


def test_other_encodings(home: Path) -> None:
    (home / "a.txt").write_bytes("pics/ü.png".encode("latin-1"))
    assert "save the list as UTF-8" in complaint(train_A=home / "a.txt", train_B=home / "b.txt")


def test_broken_image(home: Path) -> None:
    (home / "pics/ü.png").write_text("no image")
    data = Lists(train_A=home / "a.txt", train_B=home / "b.txt", validation=0)
    with pytest.raises(GanzooError, match=r"pics/ü\.png: not an image"):
        data.sample("train", "A", 1)
