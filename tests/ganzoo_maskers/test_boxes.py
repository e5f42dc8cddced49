"""``ganzoo boxes``: lists of boxes become masks that the data set ``folders`` reads and crops with their images."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo import create
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Row, read_mask
from ganzoo.settings import ImageSettings
from tests.support.command_line import Run

SIZES = {"1.png": (8, 6), "sub/2.jpg": (5, 9), "dotted.name.png": (4, 4)}
"""Name → width and height."""
HEAD = "name,left,top,right,bottom\n"


@pytest.fixture
def images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, size in SIZES.items():
        file = tmp_path / "trainA" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (10, 20, 30)).save(file)
    return tmp_path / "trainA"


def box(width: int, height: int, *boxes: tuple[int, int, int, int]) -> np.ndarray:
    """255 in boxes of whole pixels."""
    mask = np.zeros((height, width), np.uint8)
    for left, top, right, bottom in boxes:
        mask[top:bottom, left:right] = 255
    return mask


def made(folder: Path) -> dict[str, np.ndarray]:
    return {
        path.relative_to(folder).as_posix(): read_mask(path) for path in sorted(folder.rglob("*")) if path.is_file()
    }


EXPECTED = {
    "1.png": box(8, 6, (1, 2, 4, 5), (6, 0, 8, 1)),
    "dotted.name.png": box(4, 4, (0, 0, 4, 4)),
    "sub/2.png": box(5, 9, (0, 3, 5, 6)),
}


def test_csv_in_pixels(run: Run, images: Path) -> None:
    text = HEAD + "1.png,1,2,4,5\nsub/2.jpg,-3,3,99,6\n1, 6,0,8,1\ndotted.name,0,0,4,4\nother.png,0,0,1,1\n"
    Path("boxes.csv").write_text("\ufeff" + text)
    beyond = "boxes that reach beyond their images: 1; are they of images of another size?\n"
    assert run("boxes", "boxes.csv", images, "-o", "trainA_masks") == (0, f"trainA_masks: 3 masks\n{beyond}", "")
    found = made(Path("trainA_masks"))
    assert found.keys() == EXPECTED.keys() and all(np.array_equal(found[name], EXPECTED[name]) for name in found)


def test_json_lines_in_fractions(run: Run, images: Path) -> None:
    lines = [
        {"name": "1.png", "boxes": [[1 / 8, 2 / 6, 4 / 8, 5 / 6], [0.75, 0, 1, 1 / 6]], "class": "horse"},
        {"name": "sub/2", "boxes": [[0, 1 / 3, 1, 2 / 3]]},
        {"name": "dotted.name.png", "boxes": [[0, 0, 1, 1]]},
    ]
    Path("boxes.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    assert run("boxes", "boxes.jsonl", images, "-o", "out/masks", "--fractions")[0] == 0
    found = made(Path("out/masks"))
    assert found.keys() == EXPECTED.keys() and all(np.array_equal(found[name], EXPECTED[name]) for name in found)


@pytest.mark.parametrize(("left", "right", "columns"), [(1.4, 3.6, [1, 2, 3]), (1.6, 3.4, [2]), (2.5, 3.5, [2])])
def test_a_pixel_is_in_a_box_if_its_centre_is(
    run: Run, images: Path, left: float, right: float, columns: list[int]
) -> None:
    Path("boxes.csv").write_text(f"{HEAD}1,{left},0,{right},6\n")
    run("boxes", "boxes.csv", images, "-o", "masks", "--empty")
    assert np.flatnonzero(read_mask(Path("masks/1.png"))[0]).tolist() == columns


@pytest.mark.parametrize(
    ("name", "pixels"),
    [
        ("a.png", np.zeros((6, 8), np.uint16)),
        ("a.tif", np.full((6, 8), -1000, np.int32)),
        ("a.tif", np.full((6, 8), 3.5, np.float32)),
        ("a.npy", np.zeros((6, 8), np.int16)),
        ("a.npy", np.zeros((6, 8, 5), np.float32)),
    ],
)
def test_images_of_any_depth_and_number_of_channels(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, pixels: np.ndarray
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("scans").mkdir()
    if name.endswith(".npy"):
        np.save(f"scans/{name}", pixels)
    else:
        Image.fromarray(pixels).save(f"scans/{name}")
    Path("boxes.csv").write_text(HEAD + "a,1,2,4,5\n")
    assert run("boxes", "boxes.csv", "scans", "-o", "masks") == (0, "masks: 1 masks\n", "")
    assert np.array_equal(read_mask(Path("masks/a.png")), box(8, 6, (1, 2, 4, 5)))


def test_boxes_are_drawn_in_the_upright_image(run: Run, images: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90°
    Image.new("RGB", (8, 6)).save(images / "1.png", exif=exif)
    Path("boxes.csv").write_text(HEAD + "1,0,6,6,8\n")
    assert run("boxes", "boxes.csv", images, "-o", "masks", "--empty")[0] == 0
    assert np.array_equal(read_mask(Path("masks/1.png")), box(6, 8, (0, 6, 6, 8)))


@pytest.mark.parametrize("out", ["trainA/masks", "link/sub/masks"])
def test_masks_among_the_images_are_refused(run: Run, images: Path, out: str) -> None:
    Path("link").symlink_to(images)
    Path("boxes.csv").write_text(HEAD + "1,0,0,4,4\n")
    code, _, err = run("boxes", "boxes.csv", images, "-o", out, "--empty")
    assert code == 2 and f"{out}: this is in the folder of the images, {images}; choose another place" in err
    assert not Path(out).exists()


def test_a_list_of_other_images_is_refused(run: Run, images: Path) -> None:
    Path("boxes.csv").write_text(HEAD + "zz.png,0,0,1,1\n")
    code, _, error = run("boxes", "boxes.csv", images, "-o", "masks", "--empty")
    assert code == 2 and "it names none of the 3 images in" in error and "but zz.png: check the names" in error
    assert not Path("masks").exists()


def test_images_that_the_list_lacks_are_an_error_or_have_empty_masks(run: Run, images: Path) -> None:
    Path("boxes.jsonl").write_text('{"name": "1", "boxes": []}\n')
    code, _, err = run("boxes", "boxes.jsonl", images, "-o", "masks")
    assert code == 2 and not Path("masks").exists()
    assert f"boxes.jsonl: it has no boxes for {images}/dotted.name.png (and for 1 more images); add them, or" in err
    _, out, _ = run("boxes", "boxes.jsonl", images, "-o", "masks", "--empty")
    assert out == "masks: 3 masks, 2 of them empty because the list lacks the image\n"
    assert len(made(Path("masks"))) == 3 and not any(mask.any() for mask in made(Path("masks")).values())


def test_the_masks_are_cropped_and_flipped_with_their_images(run: Run, images: Path) -> None:
    """The image is white in the box, so that its mask must be the image wherever both are cropped to."""
    Image.fromarray(box(40, 30, (5, 4, 22, 17))).convert("RGB").save(images / "1.png")
    for name in ("sub/2.jpg", "dotted.name.png"):
        (images / name).unlink()
    Path("boxes.csv").write_text(HEAD + "1,5,4,22,17\n")
    run("boxes", "boxes.csv", images, "-o", "trainA_masks")
    data = create("dataset", "folders", A=images, validation=0.0)
    reader = Reader(data, ImageSettings(size=16, fit="crop", zoom=(1.0, 1.0)))
    seen = []
    for step in range(6):
        batch = reader.training_batch([Row(0, step, {"A": 0})], step, 0)
        assert np.array_equal(batch.planes["real_A"][0, :, :, 0], batch.planes["given_mask_A"][0])
        seen.append(batch.planes["given_mask_A"].tobytes())
    assert len(set(seen)) > 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("boxes.csv", "name,left,top,right\n1,0,0,1\n", "boxes.csv:1: the column 'bottom' is missing; the first line"),
        ("boxes.csv", HEAD + "1,0,0,1\n", "boxes.csv:2: damaged: it does not hold a name and four numbers"),
        ("boxes.csv", HEAD + "1,0,0,1,x\n", "boxes.csv:2: damaged: it does not hold a name and four numbers"),
        ("boxes.csv", HEAD + "1,0,0,1,nan\n", "a number is not finite"),
        ("boxes.csv", HEAD + "1,5,0,5,3\n", "boxes.csv: 1.png: the box [5.0, 0.0, 5.0, 3.0] contains no pixel of the"),
        ("boxes.csv", HEAD + "1,8,0,9,3\n", "contains no pixel of the image, 8×6 (width × height)"),
        ("boxes.csv", "", "boxes.csv: damaged: it is empty"),
        ("boxes.jsonl", "[]\n", 'boxes.jsonl:1: damaged: it does not hold {"name": …'),
        ("boxes.jsonl", '{"name": "1", "boxes": [[0, 0, 1]]}', "boxes.jsonl:1: damaged: it does not hold"),
    ],
)
def test_mistakes_in_the_list_are_reported(run: Run, images: Path, name: str, text: str, message: str) -> None:
    Path(name).write_text(text)
    code, out, err = run("boxes", name, images, "-o", "masks", "--empty")
    assert code == 2 and out == "" and message in err and err.count("\n") == 1
    assert not Path("masks").exists()


def test_other_mistakes_are_reported(run: Run, images: Path) -> None:
    Path("boxes.csv").write_text(HEAD + "1,0,0,4,4\n")
    fractions = run("boxes", "boxes.csv", images, "-o", "masks", "--empty", "--fractions")[2]
    assert "the box [0.0, 0.0, 4.0, 4.0] is not in fractions, 0 … 1; for pixels omit --fractions" in fractions
    assert (
        "trainA: it exists already; remove it, or choose another folder"
        in run("boxes", "boxes.csv", images, "-o", images)[2]
    )
    assert "none.csv: damaged: it is missing" in run("boxes", "none.csv", images, "-o", "masks")[2]
    Image.new("L", (8, 6)).save(images / "1.jpg")
    assert (
        "another image has the same name without ending"
        in run("boxes", "boxes.csv", images, "-o", "masks", "--empty")[2]
    )
