"""``ganzoo data check`` finds every planted fault and no other, on a page, as JSON, and on a contact sheet."""

from __future__ import annotations

import json
import re
import resource
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from ganzoo.check.data.findings import KINDS
from ganzoo.check.data.sheet import COLUMNS, GAP, TILE
from tests.support.command_line import Run
from tests.support.pages import ROOT, blocks
from tests.support.planted_faults import CLASSES, NEVER_USED, Expected, drawn, half_mask, plant_faults
from tests.support.spellings import spell_otherwise
from tests.support.tiny_run import ganzoo, make_images, write_recipe

PAGE = ROOT / "docs/data_check.md"


def found(root: Path, result: dict[str, Any], section: str = "faults") -> Expected:
    """Return kind and files of each fault, the files relative to ``root``."""
    return {
        (one["kind"], tuple(Path(file).relative_to(root).as_posix() for file in one["files"]))
        for one in result[section]
    }


def test_fifteen_planted_faults_are_found_and_no_others(tmp_path: Path, run: Run) -> None:
    expected = plant_faults(tmp_path, train=14, test=9, side=64)
    assert len(expected) == 15
    code, out, _ = run("data", "check", tmp_path, "--classes", CLASSES, "--json")
    assert code == 7
    result = json.loads(out)
    assert found(tmp_path, result) == expected
    assert len(result["faults"]) == 15
    (unused,) = [one["detail"] for one in result["faults"] if one["kind"] == "unused-class"]
    assert f"class {NEVER_USED} of" in unused
    assert result["images"] == 14 + 3 + 14 + 1 + 9 + 3 + 1


def test_the_page_names_every_fault_with_its_files(tmp_path: Path, run: Run) -> None:
    expected = plant_faults(tmp_path, train=14, test=9, side=64)
    code, page, _ = run("data", "check", tmp_path, "--classes", CLASSES)
    assert code == 7
    assert "15 faults" in page
    for kind, files in expected:
        assert KINDS[kind].heading in page
        for file in files:
            assert str(tmp_path / file) in page
    assert len(page.splitlines()) < 70


def test_good_folders_have_no_faults(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path / "data", masks=True)
    code, page, errors = run("data", "check", tmp_path / "data")
    assert (code, errors) == (0, "")
    assert "0 faults" in page
    rows = [line.split() for line in page.splitlines()]
    assert ["trainA", "12", "20×16", "12", "RGB", "0", "…", "255", "(8-bit)", "12"] in rows


def test_a_kind_of_finding_is_ignored(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path)
    (tmp_path / "trainA/00.png").write_bytes(b"")
    assert run("data", "check", tmp_path)[0] == 7
    code, page, _ = run("data", "check", tmp_path, "--ignore", "unreadable")
    assert (code, "0 faults" in page) == (0, True)
    code, _, error = run("data", "check", tmp_path, "--ignore", "unreadible")
    assert (code, error) == (
        2,
        "ganzoo: data check: --ignore unreadible: no such kind of finding (did you mean 'unreadable'?)\n",
    )


def test_two_folders_are_the_domains(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path)
    code, out, _ = run("data", "check", tmp_path / "trainA", tmp_path / "testB", "--json")
    result = json.loads(out)
    assert [(one["title"], one["domain"], one["images"]) for one in result["groups"]] == [
        ("trainA", "A", 12),
        ("testB", "B", 3),
    ]
    assert code == 7
    assert found(tmp_path, result) == {("unbalanced", ("testB",))}


def test_pairs_that_miss_their_partner_are_found_in_both_folders(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path, train=4, test=2)
    (tmp_path / "trainA/00.png").unlink()
    (tmp_path / "testB/01.png").unlink()
    drawn(3, side=40).save(tmp_path / "trainB/02.png")
    code, out, _ = run("data", "check", tmp_path, "--paired", "--json")
    assert code == 7
    assert found(tmp_path, json.loads(out)) == {
        ("no-partner", ("trainB/00.png",)),
        ("no-partner", ("testA/01.png",)),
        ("size", ("trainA/02.png", "trainB/02.png")),
        ("unbalanced", ("testB",)),
    }


def test_pairs_side_by_side_need_an_even_width(tmp_path: Path, run: Run) -> None:
    for name, width in (("train/a", 40), ("train/b", 41), ("test/c", 40)):
        file = tmp_path / f"{name}.png"
        file.parent.mkdir(exist_ok=True)
        drawn(width, len(name), ord(name[-1]), side=41).crop((0, 0, width, 20)).save(file)
    _, out, _ = run("data", "check", tmp_path, "--paired", "--json")
    assert found(tmp_path, json.loads(out)) == {("size", ("train/b.png",))}
    assert run("data", "check", tmp_path)[0] == 0


def test_a_recipe_is_checked_as_its_run_sees_it(tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path)
    images = tmp_path / "images"
    Image.open(images / "trainA/03.png").save(images / "testA/leaked.png")
    code, out, _ = run("data", "check", recipe, "images.load=18", "--json")
    assert code == 7
    result = json.loads(out)
    counts = {one["title"]: one["images"] for one in result["groups"]}
    assert sum(counts[f"{split} A"] for split in ("train", "validation")) == 12
    assert counts["test A"] == 4
    (fault,) = result["faults"]
    assert (fault["kind"], fault["detail"]) == ("leak", "identical files")
    assert set(fault["files"]) == {str(images / "trainA/03.png"), str(images / "testA/leaked.png")}
    (small,) = {one["detail"] for one in result["remarks"] if one["kind"] == "small"}
    assert "scales them to, 18" in small


def test_a_split_of_a_recipe_with_one_domain_only_is_a_fault(tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path)
    shutil.rmtree(tmp_path / "images/testB")
    code, out, _ = run("data", "check", recipe, "--json")
    (fault,) = json.loads(out)["faults"]
    assert code == 7
    assert fault == {"kind": "unbalanced", "where": "test B", "files": [], "detail": "0 images, and 3 in test A"}
    page = run("data", "check", recipe)[1]
    assert "test B" in page and run("data", "check", recipe, "--ignore", "unbalanced")[0] == 0


def test_masks_that_no_image_of_a_recipe_uses_are_found(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path / "images", masks=True)
    half_mask(20).crop((0, 0, 20, 16)).save(tmp_path / "images/testB_masks/orphan.png")
    _, out, _ = run("data", "check", write_recipe(tmp_path), "--json")
    assert found(tmp_path / "images", json.loads(out)) == {("no-image", ("testB_masks/orphan.png",))}


def test_masks_of_images_that_a_recipe_leaves_out_are_no_faults(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path / "images", masks=True)
    code, out, _ = run("data", "check", write_recipe(tmp_path), "data.train_limit=4", "--json")
    assert (code, json.loads(out)["faults"]) == (0, [])


def test_images_that_are_label_maps_are_checked_for_classes(tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path, data={"classes": {"A": 4}, "validation": 0})
    for file in (tmp_path / "images").glob("*A/*.png"):
        Image.fromarray(np.full((16, 20), 2 * (file.name == "03.png"), np.uint8)).save(file)
    wrong = tmp_path / "images/testA/01.png"
    Image.fromarray(np.full((16, 20), 7, np.uint8)).save(wrong)
    _, out, _ = run("data", "check", recipe, "--json")
    result = json.loads(out)
    assert result["classes"] == {"A": {"0": 13, "2": 1}}
    assert [(one["kind"], one["files"]) for one in result["faults"]] == [
        ("unreadable", [str(wrong)]),
        ("unused-class", []),
    ]
    assert result["faults"][1]["detail"] == "train A: classes 1, 3 of 0 … 3"
    assert result["groups"][0]["sizes"] == {"20×16": 12}


def test_images_smaller_than_the_crop_of_a_recipe_are_faults(tmp_path: Path, run: Run) -> None:
    recipe = write_recipe(tmp_path, images={"fit": "crop", "size": [16, 20], "load": 0})
    assert run("data", "check", recipe)[0] == 0
    drawn(3, side=19).save(tmp_path / "images/trainB/02.png")
    code, out, _ = run("data", "check", recipe, "--json")
    assert (code, found(tmp_path / "images", json.loads(out))) == (7, {("size", ("trainB/02.png",))})


def test_pairs_side_by_side_of_a_recipe_have_the_size_of_a_half(tmp_path: Path, run: Run) -> None:
    for split, count in (("train", 6), ("test", 2)):
        (tmp_path / "pairs" / split).mkdir(parents=True)
        for index in range(count):
            halves = [np.asarray(drawn(len(split), index, half, side=40)) for half in range(2)]
            Image.fromarray(np.concatenate(halves, axis=1)).save(tmp_path / f"pairs/{split}/{index}.png")
    broken = tmp_path / "pairs/train/0.png"
    broken.write_bytes(broken.read_bytes()[:500])
    recipe = write_recipe(tmp_path, data={"dataset": "paired", "root": str(tmp_path / "pairs"), "validation": 0})
    code, out, _ = run("data", "check", recipe, "--json")
    result = json.loads(out)
    assert (code, found(tmp_path / "pairs", result)) == (7, {("unreadable", ("train/0.png",))})
    assert len(result["faults"]) == 1  # not once for each half
    assert [one["sizes"] for one in result["groups"]] == [{"40×40": 5}, {"40×40": 5}, {"40×40": 2}, {"40×40": 2}]


def test_partners_in_two_folders_are_told_apart(tmp_path: Path, run: Run) -> None:
    for number in range(3):
        same = drawn(0, side=64)
        photograph = same if number < 2 else Image.new("RGB", (64, 64), (9, 9, 9))
        for domain, picture in (("A", drawn(1 + number, side=64)), ("B", photograph)):
            file = tmp_path / f"images/train{domain}/{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            picture.save(file)
    data = {"dataset": "paired", "layout": "folders", "root": str(tmp_path / "images"), "validation": 0}
    code, out, _ = run("data", "check", write_recipe(tmp_path, data=data), "--json")
    faults = found(tmp_path / "images", json.loads(out))
    assert code == 7 and all(file.startswith("trainB/") for _, files in faults for file in files)
    assert {files for _, files in faults} == {("trainB/0.png", "trainB/1.png"), ("trainB/2.png",)}


@pytest.mark.parametrize("layout", ["folders", "side_by_side"])
def test_partners_that_look_alike_are_no_near_duplicates(tmp_path: Path, run: Run, layout: str) -> None:
    root = tmp_path / "images"
    for folder in ("train", "trainA", "trainB"):
        (root / folder).mkdir(parents=True)
    for number, key in enumerate((0, 1, 2, 2)):  # the last pair repeats the one before
        first = drawn(key, side=64)
        second = ImageEnhance.Brightness(first).enhance(1.1)
        if layout == "folders":
            first.save(root / f"trainA/{number}.png")
            second.save(root / f"trainB/{number}.png")
        else:
            Image.fromarray(np.concatenate([first, second], axis=1)).save(root / f"train/{number}.png")
    data = {"dataset": "paired", "layout": layout, "root": str(root), "validation": 0}
    target = [write_recipe(tmp_path, data=data)]
    for words in ([root, "--paired"], target) if layout == "folders" else (target,):
        (fault,) = json.loads(run("data", "check", *words, "--json")[1])["faults"]
        assert fault["kind"] == "both-domains" and {Path(file).stem for file in fault["files"]} == {"2", "3"}


def test_a_data_set_that_cannot_be_built_names_the_check_of_its_folder(tmp_path: Path, run: Run) -> None:
    make_images(tmp_path / "images", masks=True)
    (tmp_path / "images/trainA_masks/05.png").unlink()
    code, _, error = run("data", "check", write_recipe(tmp_path))
    assert code == 2
    assert error.endswith(f"data check {tmp_path / 'images'}\n")
    assert "no mask for the image" in error
    code, page, _ = run("data", "check", tmp_path / "images")
    assert (code, str(tmp_path / "images/trainA/05.png") in page) == (7, True)


def test_images_without_files_are_read_as_samples(run: Run) -> None:
    code, out, _ = run("data", "check", Path(__file__).parents[3] / "recipes/quickstart.yaml", "--json")
    result = json.loads(out)
    assert (code, result["faults"]) == (0, [])
    counts = {one["title"]: (one["images"], one["masks"]) for one in result["groups"]}
    assert counts["train A"][0] == counts["train A"][1] > 100
    assert {one["domain"] for one in result["groups"]} == {"A", "B"}


@pytest.mark.parametrize(("options", "named"), [(("A", "test_A"), ("A",)), (("A", "test_A", "B"), ("A", "B"))])
def test_the_advice_names_the_training_folders(
    tmp_path: Path, run: Run, options: tuple[str, ...], named: tuple[str, ...]
) -> None:
    root = make_images(tmp_path / "images", train=2, masks=True)
    (root / "trainA_masks/01.png").unlink()
    folders = {"A": root / "trainA", "B": root / "trainB", "test_A": root / "testA"}
    data = ", ".join(f"{name}: {folders[name]}" for name in options)
    (tmp_path / "r.yaml").write_text(f"data: {{dataset: folders, {data}}}\n")
    code, _, error = run("data", "check", tmp_path / "r.yaml")
    assert code == 2 and error.endswith(f"data check {' '.join(str(folders[name]) for name in named)}\n")


def test_the_sheet_shows_samples_and_near_duplicates_side_by_side(tmp_path: Path, run: Run) -> None:
    root = tmp_path / "photos"
    root.mkdir()
    for index in range(3):
        drawn(index, side=TILE).save(root / f"{index}.png")
    drawn(1, side=TILE).save(root / "copy.jpg", quality=95)
    run("data", "check", root, "--sheet", tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        pixels = np.asarray(sheet).astype(int)
    assert pixels.shape[1] >= COLUMNS * (TILE + GAP)
    original = np.asarray(drawn(1, side=TILE)).astype(int)
    tops = [
        top
        for top in range(pixels.shape[0] - TILE + 1)
        if np.array_equal(pixels[top : top + TILE, GAP : GAP + TILE], original)
    ]
    assert len(tops) == 1  # first in its row of near-duplicates, not of the samples
    beside = pixels[tops[0] : tops[0] + TILE, 2 * GAP + TILE : 2 * GAP + 2 * TILE]
    assert 0 < np.abs(beside - original).mean() < 3


def test_the_sheet_replaces_no_image(tmp_path: Path, run: Run) -> None:
    root = make_images(tmp_path / "images", train=2)
    image = root / "trainA/00.png"
    before = image.read_bytes()
    recipe = write_recipe(tmp_path)
    for target in (root, recipe):
        code, _, err = run("data", "check", target, "--sheet", image)
        assert code == 2 and str(image) in err and err.count("\n") == 1 and image.read_bytes() == before
    code, _, err = run("data", "check", root, "--sheet", root / "trainA/sheet.png")
    assert code == 2 and "in the folder of the images" in err and not (root / "trainA/sheet.png").exists()
    run("data", "check", root, "--sheet", root / "sheet.png")
    assert (root / "sheet.png").is_file()


def test_another_spelling_of_a_folder_protects_its_images(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_images(tmp_path / "images", train=2)
    other = spell_otherwise(root, monkeypatch)
    code, _, err = run("data", "check", root, "--sheet", other / "trainA/sheet.png")
    assert code == 2 and "in the folder of the images" in err and not (root / "trainA/sheet.png").exists()
    code, _, err = run("data", "check", write_recipe(tmp_path), "--sheet", other / "trainA/00.png")
    assert code == 2 and "choose another" in err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("{0}", "--sheet", "sheet.jpg"), "sheet.jpg: the contact sheet is a PNG file"),
        (("{0}/missing",), "no such folder"),
        (("{0}/empty",), "no images in it or below"),
        (("{0}", "{0}", "{0}"), "3 folders; give one, or two"),
        (("{0}", "--demo"), "--demo is for recipes"),
        (("{1}", "--paired"), "--paired is for folders"),
        (("{1}", "data.rot=3"), "rot"),
    ],
)
def test_wrong_words_are_refused_in_one_line(tmp_path: Path, run: Run, words: tuple[str, ...], text: str) -> None:
    recipe = write_recipe(tmp_path)
    (tmp_path / "empty").mkdir()
    code, _, error = run("data", "check", *(word.format(tmp_path, recipe) for word in words))
    assert code in (2, 5)
    assert text in error
    assert error.count("\n") == 1


@pytest.mark.slow
def test_ten_thousand_files_are_checked_in_fifteen_seconds_of_two_cores(tmp_path: Path) -> None:
    expected = plant_faults(tmp_path, train=2400, test=300, side=256)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(files) > 10_000
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = ganzoo("data", "check", tmp_path, "--classes", str(CLASSES), "--json")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert done.returncode == 7, done.stderr
    assert found(tmp_path, json.loads(done.stdout)) == expected
    seconds = (after.ru_utime - before.ru_utime) + (after.ru_stime - before.ru_stime)
    print(f"{len(files):,} files: {seconds:.1f} s of processor time", file=sys.stderr)
    assert seconds < 30


def write_example(root: Path) -> None:
    """Write the images of the example in docs/data_check.md."""
    for name, count in (("trainA", 40), ("trainB", 40), ("testA", 10), ("testB", 10)):
        (root / name).mkdir(parents=True)
        for index in range(count):
            drawn(*name.encode(), index, side=64).save(root / name / f"{index:03}.jpg", quality=90)
    (root / "trainA_masks").mkdir()
    for index in range(40):
        half_mask(64).save(root / "trainA_masks" / f"{index:03}.png")
    (root / "trainA_masks/007.png").unlink()
    (root / "trainB/012.jpg").unlink()
    whole = root / "trainB/012.png"
    drawn(1, side=64).save(whole)
    whole.write_bytes(whole.read_bytes()[:900])
    with Image.open(root / "trainB/031.jpg") as image:
        image.resize((48, 48)).save(root / "testB/010.jpg", quality=60)
    drawn(0, side=64).convert("L").save(root / "testB/011.jpg")


def test_the_example_of_the_docs_is_what_the_command_prints(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_example(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    code, page, errors = run("data", "check", "photos")
    assert (code, errors) == (7, "")
    (shown,) = blocks(PAGE, "text")
    assert page == shown


def test_the_page_of_the_docs_lists_every_kind_of_finding() -> None:
    page = PAGE.read_text()
    faults, _, remarks = page.partition("## Remarks")
    listed = {True: faults, False: remarks}
    assert {
        kind: re.findall(rf"^\| `{kind}` \|", listed[about.fault], re.MULTILINE) for kind, about in KINDS.items()
    } == {kind: [f"| `{kind}` |"] for kind in KINDS}


def test_the_page_of_the_docs_lists_every_key_of_the_json(tmp_path: Path, run: Run) -> None:
    write_example(tmp_path)
    result = json.loads(run("data", "check", tmp_path, "--json")[1])
    named = set(re.findall(r"`(\w+)`", PAGE.read_text().partition("## --json")[2]))
    assert {*result, *result["groups"][0], *result["faults"][0]} <= named
