"""Masks and maskers that a user provides for a translation, and saving the masks used."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo import GanzooError
from ganzoo.inference.files import translate_files
from ganzoo.inference.options import MaskOption
from ganzoo.inference.translator import Translator
from tests.support.tiny_run import make_images, write_recipe
from tests.support.untrained_runs import write_untrained_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mask_options")


def trained(home: Path, name: str, method: str, maskers: dict[str, object]) -> Path:
    recipe = write_recipe(home, name, method={"method": method}, maskers=maskers, evaluate={"metrics": []})
    ganzoo.run(recipe, "train.steps=2", "evaluate.every=0", "evaluate.best=null", root=home / "runs")
    return home / "runs" / name / "default"


@pytest.fixture(scope="module")
def masked(home: Path) -> Path:
    return trained(home, "masked", "mask_cyclegan", {"input": {"masker": "multi_rectangle"}})


@pytest.fixture(scope="module")
def discriminator_masked(home: Path) -> Path:
    return trained(home, "discriminator_masked", "cyclegan", {"discriminator": {"masker": "round"}})


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    make_images(tmp_path / "source", train=1, test=3)
    shutil.copytree(tmp_path / "source/testA", folder / "deep")
    return folder


def pixels(file: Path) -> np.ndarray:
    with Image.open(file) as image:
        return np.array(image)


def write_mask(file: Path, columns: int, size: tuple[int, int] = (16, 20)) -> Path:
    mask = np.zeros(size, np.uint8)
    mask[:, :columns] = 255
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(file)
    return file


def test_several_masks_give_several_translations_and_are_saved(
    masked: Path, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    half, more = (write_mask(tmp_path / f"{name}.png", columns) for name, columns in (("half", 10), ("more", 15)))
    out, saved = tmp_path / "out", tmp_path / "saved"
    maskers = ["round", "{masker: multi_rectangle, count: [5, 5]}", "multi_rectangle"]
    translate_files(masked, [images], out, masks=[half, more], maskers=maskers, size="original", save_masks=saved)
    line = f"3 of 3 images translated AB with each of 5 masks (15 translations), into {out}"
    assert capsys.readouterr().out.splitlines() == [line]
    folders = ["1-half", "2-more", "3-round", "4-multi_rectangle", "5-multi_rectangle"]
    assert sorted(path.name for path in out.iterdir()) == folders
    translations = [pixels(out / folder / "deep/01.png") for folder in folders]
    assert all(not np.array_equal(one, other) for i, one in enumerate(translations) for other in translations[:i])
    assert np.array_equal(pixels(saved / "1-half/input/deep/01.png"), pixels(half))
    drawn = [pixels(saved / f"5-multi_rectangle/input/deep/0{i}.png") for i in range(3)]
    assert not np.array_equal(drawn[0], drawn[1])  # each image has its own draw


def test_a_folder_of_masks_is_matched_by_image_names(masked: Path, images: Path, tmp_path: Path) -> None:
    for i in range(3):
        write_mask(tmp_path / f"masks/deep/0{i}.png", 4 * i + 4)
    translate_files(
        masked, [images], tmp_path / "out", masks=[tmp_path / "masks"], size="original", save_masks=tmp_path / "saved"
    )
    for i in range(3):
        assert (pixels(tmp_path / f"saved/input/deep/0{i}.png") > 0).mean() == pytest.approx((4 * i + 4) / 20)
    (tmp_path / "masks/deep/01.png").unlink()
    with pytest.raises(GanzooError, match=r"masks/deep/01.png: --mask: there is no mask.*\n1 of 3 images were not"):
        translate_files(masked, [images], tmp_path / "out", size="original", masks=[tmp_path / "masks"])


def test_a_folder_of_masks_is_listed_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []
    listing = Path.iterdir

    def counted(self: Path) -> Iterator[Path]:
        listed.append(self)
        return listing(self)

    for name in ("a.tif", "a.png", "deep/b.png"):
        write_mask(tmp_path / name, 4 if name == "a.png" else 8)
    (tmp_path / "a.csv").touch()
    monkeypatch.setattr(Path, "iterdir", counted)
    option = MaskOption(path=tmp_path)
    for _ in range(3):
        for name, columns in (("a", 4), ("deep/b", 8)):
            mask = option.load_mask(Path(name), (16, 20))
            assert mask is not None and (mask > 0).sum() == 16 * columns
        for name in ("c", "none/a"):
            with pytest.raises(GanzooError, match=rf"{name}.png: --mask: there is no mask for this image"):
                option.load_mask(Path(name), (16, 20))
    assert listed == [tmp_path, tmp_path / "deep"]
    assert replace(option, label="1") == MaskOption("1", tmp_path)


def test_neither_images_nor_masks_that_are_read_are_replaced(masked: Path, images: Path, tmp_path: Path) -> None:
    half, more = (write_mask(tmp_path / f"saved/input/{name}.png", columns) for name, columns in (("a", 10), ("b", 15)))
    earlier = shutil.copytree(images, tmp_path / "out/2-b")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.png")}
    calls: list[tuple[list[Path], dict[str, Any]]] = [
        ([earlier], {"masks": [half, more]}),
        ([images], {"masks": [half], "save_masks": tmp_path / "saved"}),
        ([images], {"masks": [half], "save_masks": images}),
    ]
    for inputs, options in calls:
        with pytest.raises(GanzooError, match="they could replace one another; choose another folder"):
            translate_files(masked, inputs, tmp_path / "out", size="original", **options)
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*.png")}


def test_a_translation_never_replaces_the_mask_that_is_read_for_it(masked: Path, images: Path, tmp_path: Path) -> None:
    masks, single = tmp_path / "masks", write_mask(tmp_path / "other/00.png", 10)
    for i in range(3):
        write_mask(masks / f"deep/0{i}.png", 10)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*.png")}
    calls: list[tuple[list[Path], Path, list[Path]]] = [
        ([images], masks, [masks]),
        ([images / "deep/00.png"], single, [single]),
        ([images / "deep"], single.parent, [single]),
        ([images / "deep/00.png"], masks / "deep/00.png", [masks / "deep"]),
    ]
    for inputs, out, given in calls:
        with pytest.raises(GanzooError, match=r"would be overwritten by the translation of .*: choose another"):
            translate_files(masked, inputs, out, masks=given, size="original")
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*.png")}
    for _ in range(2):  # what an earlier call wrote below the masks is no mask of these images
        translate_files(masked, [images], masks / "out", masks=[masks], size="original")
    image = shutil.copy(images / "deep/01.png", tmp_path)
    translate_files(masked, [tmp_path / image], single.parent, masks=[single], size="original")
    assert len(list(masks.rglob("out/deep/*.png"))) == 3 and (single.parent / "01.png").is_file()


def test_size_scales_the_mask_with_the_image(masked: Path, images: Path, tmp_path: Path) -> None:
    half = write_mask(tmp_path / "half.png", 10)
    translate_files(masked, [images], tmp_path / "out", size=8, masks=[half], save_masks=tmp_path / "saved")
    assert pixels(tmp_path / "out/deep/00.png").shape == (8, 10, 3)
    mask = pixels(tmp_path / "saved/input/deep/00.png")
    assert mask.shape == (8, 10) and (mask[:, :4] == 255).all() and (mask[:, 6:] == 0).all()


def test_python_and_command_line_agree_on_a_mask(masked: Path, images: Path, tmp_path: Path) -> None:
    half = write_mask(tmp_path / "half.png", 10)
    translate_files(masked, [images], tmp_path / "out", size="original", masks=[half])
    translator = ganzoo.load(masked)
    with Image.open(half) as mask:
        translated = translator.translate(images / "deep/00.png", mask=mask, size="original")
    assert np.array_equal(np.array(translated), pixels(tmp_path / "out/deep/00.png"))
    image = torch.zeros(2, 3, 8, 8)
    assert translator.translate(image, mask=torch.ones(1, 8, 8)).shape == image.shape
    with pytest.raises(GanzooError, match="mask is 9×8, the image 8×8"):
        translator.translate(image, mask=torch.ones(1, 8, 9))


def test_the_recipes_mask_options_apply_to_provided_masks(home: Path, images: Path, tmp_path: Path) -> None:
    run = trained(home, "inverted", "cyclegan", {"composite": {"masker": "round", "invert": True}})
    half = write_mask(tmp_path / "half.png", 10)
    translate_files(run, [images], tmp_path / "out", masks=[half], size="original", save_masks=tmp_path / "saved")
    assert np.array_equal(pixels(tmp_path / "saved/composite/deep/00.png"), 255 - pixels(half))


def test_a_provided_mask_has_no_classes_to_choose_from(home: Path, images: Path, tmp_path: Path) -> None:
    classes = {"sky": [0, 0, 255], "green": [0, 255, 0], "red": [255, 0, 0]}
    masker = {"masker": "colours", "classes": classes, "foreground": [1, 2], "invert": True}
    run = trained(home, "classes", "cyclegan", {"composite": masker})
    half = write_mask(tmp_path / "half.png", 10)
    translate_files(run, [images], tmp_path / "out", masks=[half], size="original", save_masks=tmp_path / "saved")
    assert np.array_equal(pixels(tmp_path / "saved/composite/deep/00.png"), 255 - pixels(half))


def test_a_provided_mask_serves_every_role_that_reads_the_data_sets_masks(
    home: Path, images: Path, tmp_path: Path
) -> None:
    write_data_set_masks(home)
    run = trained(home, "both", "cyclegan", {"composite": {"masker": "file"}, "discriminator": {"masker": "file"}})
    half = write_mask(tmp_path / "half.png", 10)
    translate_files(run, [images], tmp_path / "out", masks=[half], size="original", save_masks=tmp_path / "saved")
    for role in ("composite", "discriminator", "discriminator_translated"):
        assert np.array_equal(pixels(tmp_path / "saved" / role / "deep/00.png"), pixels(half))
    with pytest.raises(GanzooError, match="in the role composite, discriminator come from its data set"):
        translate_files(run, [images], tmp_path / "out", size="original", save_masks=tmp_path / "saved")
    with pytest.raises(GanzooError, match=r"in the role composite come from its data set.*provide masks with --mask"):
        translate_files(run, [images], tmp_path / "out")


@pytest.mark.parametrize("role", ["discriminator", "labels"])
def test_masks_that_only_the_data_set_has_are_not_saved(images: Path, tmp_path: Path, role: str) -> None:
    networks = {"G": {"generator": "resnet", "width": 2, "blocks": 0}}
    reader = {"loss": "l1", "of": {"image": "fake_B", "target": "labels_mask_real_A"}}  # for it a recipe may have them
    recipe = {"method": "cyclegan", "networks": networks, "losses": {"reader": reader} if role == "labels" else {}}
    alone, other = (
        write_untrained_run(tmp_path / name, {**recipe, "maskers": {role: {"masker": "file"}, **more}})
        for name, more in (("alone", {}), ("other", {"composite": {"masker": "otsu"}}))
    )
    message = f"--save-masks: the run's masks in the role {role} come from its data set, .*: remove --save-masks"
    with pytest.raises(GanzooError, match=message):
        translate_files(alone, [images], tmp_path / "out", save_masks=tmp_path / "saved")
    translate_files(alone, [images], tmp_path / "out")
    translate_files(other, [images], tmp_path / "out", size="original", save_masks=tmp_path / "saved")
    assert [one.name for one in (tmp_path / "saved").iterdir()] == ["composite"]
    half = write_mask(tmp_path / "half.png", 10)
    translate_files(other, [images], tmp_path / "out", masks=[half], size="original", save_masks=tmp_path / "given")
    served = {"discriminator": ["composite", "discriminator", "discriminator_translated"], "labels": ["composite"]}
    assert sorted(one.name for one in (tmp_path / "given").iterdir()) == served[role]


def write_data_set_masks(home: Path) -> None:
    for folder in list((home / "images").glob("*[AB]")):
        for file in folder.iterdir():
            write_mask(home / "images" / f"{folder.name}_masks" / file.name, 8)


def test_another_masker_replaces_only_the_runs_masker_in_its_role(home: Path, images: Path, tmp_path: Path) -> None:
    maskers = {
        "input": {"masker": "multi_rectangle", "variant": "released", "grow": 2},
        "composite": {"masker": "learned"},
    }
    run = trained(home, "two", "mask_cyclegan", maskers)
    translate_files(run, [images], tmp_path / "plain", size="original", save_masks=tmp_path / "saved")
    other = ["{masker: multi_rectangle, count: [5, 5]}"]
    translate_files(run, [images], tmp_path / "other", maskers=other, size="original", save_masks=tmp_path / "saved2")
    first, second = (pixels(tmp_path / saved / "composite/deep/00.png") for saved in ("saved", "saved2"))
    assert np.array_equal(first, second)  # the learned masker is still the run's
    first, second = (pixels(tmp_path / saved / "input/deep/00.png") for saved in ("saved", "saved2"))
    assert not np.array_equal(first, second)
    with pytest.raises(GanzooError, match="'learned' is trained with the generators"):
        translate_files(run, [images], tmp_path / "out", size="original", maskers=["learned"])


def test_a_run_with_a_raw_pool_translates(home: Path, images: Path, tmp_path: Path) -> None:
    recipe = write_recipe(
        home, "raw", method={"method": "smcyclegan", "pooled": "raw"}, maskers={"discriminator": {"masker": "round"}}
    )
    ganzoo.run(
        recipe, "train.steps=1", "evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null", root=home / "runs"
    )
    translate_files(home / "runs/raw/default", [images], tmp_path / "out", size="original")
    assert pixels(tmp_path / "out/deep/00.png").shape == (16, 20, 3)


@pytest.mark.parametrize(
    ("mask", "reason"),
    [
        (torch.ones(2, 1, 8, 8), "shape"),
        (torch.ones(3, 8, 8), "shape"),
        (torch.ones(1, 8, 8, dtype=torch.uint8), "floats in"),
        (torch.full((1, 8, 8), 255.0), "floats in"),
    ],
)
def test_an_invalid_mask_tensor_is_refused(masked: Path, mask: torch.Tensor, reason: str) -> None:
    with pytest.raises(GanzooError, match=f"mask .*{reason}"):
        ganzoo.load(masked).translate(torch.zeros(3, 3, 8, 8), mask=mask)


def test_python_reads_a_mask_as_the_command_line_does(masked: Path, images: Path, tmp_path: Path) -> None:
    classes = Image.new("P", (20, 16))
    classes.putpalette([0, 0, 0, 200, 10, 10])
    classes.paste(1, (0, 0, 10, 16))
    classes.save(tmp_path / "classes.PNG")
    translate_files(masked, [images], tmp_path / "out", size="original", masks=[tmp_path / "classes.PNG"])
    translator, expected = ganzoo.load(masked), pixels(tmp_path / "out/deep/00.png")
    for mask in (tmp_path / "classes.PNG", classes):
        assert np.array_equal(
            np.array(translator.translate(images / "deep/00.png", mask=mask, size="original")), expected
        )


def test_saved_masks_of_an_image_whose_translation_is_named_are_found_by_mask(
    masked: Path, images: Path, tmp_path: Path
) -> None:
    for name in ("00", "01.b"):
        image = Path(shutil.copy(images / "deep/00.png", tmp_path / f"{name}.png"))
        first, second, saved = (tmp_path / f"{name}-{word}" for word in ("first.jpg", "second.jpg", "saved"))
        translate_files(masked, [image], first, size="original", save_masks=saved)
        assert [one.name for one in (saved / "input").iterdir()] == [f"{name}.png"]
        translate_files(masked, [image], second, size="original", masks=[saved / "input"])
        assert np.array_equal(pixels(first), pixels(second))


def test_discriminator_masks_of_source_and_translation_are_saved(
    discriminator_masked: Path, images: Path, tmp_path: Path
) -> None:
    translate_files(discriminator_masked, [images], tmp_path / "out", size="original", save_masks=tmp_path / "saved")
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["discriminator", "discriminator_translated"]
    assert 0 < (pixels(tmp_path / "saved/discriminator/deep/02.png") > 0).mean() < 1


def test_a_masker_of_the_discriminators_is_not_needed_to_translate(discriminator_masked: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(discriminator_masked, moved)
    text = (moved / "resolved.yaml").read_text()
    assert "masker: round" in text
    (moved / "resolved.yaml").write_text(text.replace("masker: round", "masker: gone") + "# edited\n")
    assert Translator(moved).translate(torch.zeros(3, 12, 12)).shape == (3, 12, 12)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"masks": ["gone.png"]}, "gone.png: --mask: there is no such image"),
        ({"maskers": ["square"]}, "^--masker: masker: unknown masker 'square'"),
        ({"maskers": ["{masker: round, scle: 1}"]}, r"unknown option 'scle' \(did you mean 'scale'"),
        ({"masks": ["empty.png"]}, r"empty.png: --mask: it is empty: its largest value is 1 of 255"),
        ({"masks": ["small.png"]}, r"small.png: --mask: it has 5×4 pixels, its image 20×16"),
    ],
)
def test_mistakes_are_one_line(
    masked: Path,
    images: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, list[str]],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    write_mask(tmp_path / "small.png", 2, (4, 5))
    Image.new("L", (20, 16), 1).save(tmp_path / "empty.png")
    masks = [Path(name) for name in options.get("masks", [])]
    with pytest.raises(GanzooError, match=message):
        translate_files(
            masked, [images], tmp_path / "out", masks=masks, size="original", maskers=options.get("maskers", [])
        )


def test_a_run_without_masks_refuses_one(discriminator_masked: Path, images: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="translates without a mask"):
        translate_files(discriminator_masked, [images], tmp_path / "out", size="original", maskers=["full"])
    with pytest.raises(GanzooError, match="translates without a mask"):
        ganzoo.load(discriminator_masked).translate(torch.zeros(3, 8, 8), mask=torch.ones(1, 8, 8))
