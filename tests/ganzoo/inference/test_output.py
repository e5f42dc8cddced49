"""Formats, quality and names of translations, and that conflicts show before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from PIL import Image, ImageCms

import ganzoo as package
from ganzoo.cli import translate as command
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import QUALITY
from ganzoo.errors import GanzooError
from ganzoo.inference import output
from ganzoo.inference.files import translate_files
from ganzoo.inference.output import FORMATS, Output, check_folders, check_masks, plan_outputs, read_output
from tests.support.command_line import Run, refusal
from tests.support.permissions import refuse_writing
from tests.support.random_images import noise, save
from tests.support.spellings import spell_otherwise
from tests.support.untrained_runs import write_untrained_run

COLOUR, GREY = DomainIO(3), DomainIO(1)
LABELS, SCANS = DomainIO(6, classes=6), DomainIO(1, value_range=(0, 4095))
SIGNED, FIVE = DomainIO(1, value_range=(-1000.0, 2000.0)), DomainIO(5)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    generator = {"generator": "resnet", "width": 2, "blocks": 0}
    return write_untrained_run(
        tmp_path_factory.mktemp("output"), {"method": "cyclegan", "networks": {"G": generator}, "images": {"size": 24}}
    )


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        image.load()
    return image


def test_the_command_offers_the_formats_and_names_the_quality() -> None:
    assert command.FORMATS == FORMATS
    (option,) = [one for one in command.translate_command.params if one.name == "quality"]
    assert isinstance(option, click.Option) and f"[default: {QUALITY}]" in str(option.help)


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_holds_the_same_translation(run: Run, trained: Path, tmp_path: Path, form: str) -> None:
    source = save(tmp_path / "in/deep/a.png", np.kron(noise(6, 9, 3), np.ones((4, 4, 1), np.uint8)))
    words = ("translate", trained, tmp_path / "in", "-o", tmp_path / "out", "--format", form, "--suffix", "_photo")
    code, _, err = run(*words, *(("--quality", 100) if form in ("jpg", "webp") else ()))
    assert (code, err) == (0, "")
    (written,) = [one for one in (tmp_path / "out").rglob("*") if one.is_file()]
    assert written == tmp_path / f"out/deep/a_photo.{form}"
    pixels = np.load(written) if form == "npy" else np.asarray(opened(written))
    expected = np.asarray(package.load(trained).translate(source))
    assert expected.shape == pixels.shape and expected.std() > 10
    difference = np.abs(pixels.astype(int) - expected)
    assert difference.max() == 0 if form != "jpg" else 0 < difference.mean() < 2


@pytest.mark.parametrize(
    ("name", "kind"), [("b.jpg", "JPEG"), ("b.JPEG", "JPEG"), ("b.webp", "WEBP"), ("b.tiff", "TIFF")]
)
def test_the_name_of_one_file_selects_the_format(trained: Path, tmp_path: Path, name: str, kind: str) -> None:
    translate_files(trained, [save(tmp_path / "a.png", noise(24, 24, 3))], tmp_path / name)
    assert opened(tmp_path / name).format == kind


@pytest.mark.parametrize(
    ("form", "alpha", "line"),
    [
        ("png", True, ""),
        ("webp", True, ""),
        ("tif", True, ""),
        ("jpg", False, "1 had transparency, which the .jpg files do not have; --format png or webp keeps it"),
        ("npy", False, "1 had transparency, which the .npy files do not have"),
    ],
)
def test_transparency_profile_and_resolution_are_kept_where_the_format_can(
    run: Run, trained: Path, tmp_path: Path, form: str, alpha: bool, line: str
) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = noise(24, 36, 4)
    save(tmp_path / "in/a.png", pixels, icc_profile=profile, dpi=(300, 150))
    save(tmp_path / "in/b.png", noise(24, 36, 3))
    _, out, _ = run("translate", trained, tmp_path / "in", "-o", tmp_path / "out", "--format", form)
    assert [one for one in out.splitlines() if "had transparency" in one] == ([line] if line else [])
    if form == "npy":
        assert np.load(tmp_path / "out/a.npy").shape == (24, 36, 3)
        return
    image = opened(tmp_path / f"out/a.{form}")
    assert image.info["icc_profile"] == profile
    exif = image.getexif()
    assert (image.info.get("dpi") or (exif[282], exif[283])) == pytest.approx((300, 150), rel=1e-3)
    assert image.mode == ("RGBA" if alpha else "RGB")
    if alpha:
        np.testing.assert_array_equal(np.asarray(image)[:, :, 3], pixels[:, :, 3])
    _, out, _ = run("translate", trained, tmp_path / "in", "-o", tmp_path / "opaque", "--format", form, "--drop-alpha")
    assert "had transparency" not in out and opened(tmp_path / f"opaque/a.{form}").mode == "RGB"


@pytest.mark.parametrize(
    ("domain_io", "possible"),
    [
        (COLOUR, FORMATS),
        (GREY, FORMATS),
        (LABELS, ("png", "tif", "npy")),
        (SCANS, ("png", "tif", "npy")),
        (SIGNED, ("tif", "npy")),
        (FIVE, ("npy",)),
        (DomainIO(3, value_range=(0, 65535)), ("npy",)),
    ],
)
def test_formats_that_would_lose_values_are_refused(domain_io: DomainIO, possible: tuple[str, ...]) -> None:
    for form in FORMATS:
        if form in possible:
            assert read_output(domain_io, Path("out"), form).suffix == f".{form}"
            assert read_output(domain_io, Path(f"a.{form}")).suffix == f".{form}"
        else:
            message = refusal(read_output, domain_io, Path("out"), form)
            assert message.startswith(f"--format: .{form} files cannot hold the translations, ")
            assert message.endswith(f"choose {', '.join(possible)}")
            assert refusal(read_output, domain_io, Path(f"a.{form}")) == message.replace("--format", "-o")
    assert read_output(domain_io, Path("out")).suffix == domain_io.suffix == f".{possible[0]}"


@pytest.mark.parametrize(
    ("out", "options", "message"),
    [
        ("out", {"quality": 80}, "--quality: .png files have no quality; choose --format jpg or webp, or remove it"),
        ("a.png", {"form": "jpg"}, "-o: a.png is a .png file; give a folder, or for one image a name that ends in "
                                  ".jpg"),
        ("a.png", {"ending": "_x"}, "--suffix: -o names the file, a.png; put '_x' into this name"),
        ("out", {"ending": "x/y"}, "--suffix: 'x/y' cannot be the end of a file's name; use letters, as in _photo"),
        ("out", {"ending": "x\ny"}, "--suffix: 'x\\ny' cannot be the end of a file's name; use letters, as in "
                              "_photo"),
        ("a.gif", {}, "-o: a.gif is a .gif file; give a folder, or for one image a name that ends in .png, .jpg, "
                      ".webp, .tif, .npy"),
    ],
)  # fmt: skip
def test_contradictions_are_refused(out: str, options: dict[str, Any], message: str) -> None:
    assert refusal(read_output, COLOUR, Path(out), **options) == message


def test_the_ending_keeps_names_apart(trained: Path, tmp_path: Path) -> None:
    first, second = save(tmp_path / "a.png", noise(24, 24, 3)), save(tmp_path / "a_x.png", noise(24, 24, 3))
    message = refusal(plan_outputs, [first, second], Output(tmp_path, ending="_x"))
    assert message.startswith(f"{second} would be overwritten by the translation of {first}: ")
    assert plan_outputs([first], Output(tmp_path, ending="_y")) == [(first, first)]
    frames = [Image.new("RGB", (24, 24), shade) for shade in ("red", "blue")]
    frames[0].save(tmp_path / "p.tif", save_all=True, append_images=frames[1:])
    page = save(tmp_path / "p-001_x.png", noise(24, 24, 3))
    message = refusal(plan_outputs, [tmp_path / "p.tif", page], Output(tmp_path, ending="_x"))
    assert message.startswith(f"{page} would be overwritten by the translation of {tmp_path / 'p.tif'}: ")
    third = page.rename(tmp_path / "p-002_x.png")
    assert len(plan_outputs([tmp_path / "p.tif", third], Output(tmp_path, ending="_x"))) == 2  # it has two pages
    translate_files(trained, [first], tmp_path, ending="_y")
    frames[0].save(tmp_path / "b.tif", save_all=True, append_images=frames[1:])
    translate_files(trained, [tmp_path / "b.tif"], tmp_path / "out", ending="_y.2", form="tif")
    assert sorted(one.name for one in tmp_path.rglob("*_y*")) == ["a_y.png", "b-000_y.2.tif", "b-001_y.2.tif"]


def test_nothing_is_written_if_two_names_collide(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "in/a-000.png", noise(24, 24, 3))
    save(tmp_path / "in/b-000.png", noise(24, 24, 3))
    save(tmp_path / "in/b.png", noise(24, 24, 3))  # one page: its name is b.png
    translate_files(trained, [tmp_path / "in"], tmp_path / "first")
    assert len(list((tmp_path / "first").iterdir())) == 3
    frames = [Image.new("RGB", (24, 24), shade) for shade in ("red", "blue")]
    frames[0].save(tmp_path / "in/a.tif", save_all=True, append_images=frames[1:])
    opened_files: list[Path] = []
    count_pages = output.count_pages

    def recorded(path: Path) -> int:
        opened_files.append(path)
        return count_pages(path)

    monkeypatch.setattr(output, "count_pages", recorded)
    with pytest.raises(GanzooError, match=r"a-000\.png: its translation would replace that of a page of .*a\.tif, "):
        translate_files(trained, [tmp_path / "in"], tmp_path / "second")
    assert not (tmp_path / "second").exists()
    assert opened_files == [tmp_path / "in/a.tif"]


def test_another_spelling_of_a_folder_protects_its_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = save(tmp_path / "photos/a.png", noise(24, 24, 3))
    other = spell_otherwise(file.parent, monkeypatch)
    assert "is in the folder of the images" in refusal(plan_outputs, [file.parent], Output(other / "new"))
    assert f"{file} would be overwritten by its translation" in refusal(plan_outputs, [file], Output(other))
    for inputs, masks in (([file], ()), ([file.parent], ()), ([tmp_path / "b.png"], [file])):
        assert "they could replace one another" in refusal(check_folders, [other], inputs, masks)
    check_folders([tmp_path / "out"], [file], [file])


def test_names_that_differ_only_in_case_are_one_name(tmp_path: Path) -> None:
    for name in ("IMG.jpg", "img.png", "\u00c9.jpg", "e\u0301.png", "c.png"):
        save(tmp_path / "in" / name)
    names = [target.name for _, target in plan_outputs([tmp_path / "in"], Output(tmp_path / "out"))]
    assert names == ["IMG.jpg.png", "c.png", "e\u0301.png.png", "img.png.png", "\u00c9.jpg.png"]
    first, second = save(tmp_path / "x/A.jpg"), save(tmp_path / "y/a.jpg")
    message = refusal(plan_outputs, [first, second], Output(Path("out")))
    both = f"{Path('out/A.jpg.png')} and {Path('out/a.jpg.png')}, one file where case does not count"
    assert message == f"{second} and {first} would both become {both}: translate them separately"
    page = save(tmp_path / "pages/B-000.png")
    frames = [Image.new("RGB", (24, 24), shade) for shade in ("red", "blue")]
    frames[0].save(tmp_path / "pages/b.tif", save_all=True, append_images=frames[1:])
    message = refusal(plan_outputs, [tmp_path / "pages"], Output(tmp_path / "out"))
    assert message.startswith(f"{page}: its translation would replace that of a page of {tmp_path / 'pages/b.tif'}")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("a.mp4", "A.mkv"), "the masks of the frames of in/A.mkv would replace those of in/a.mp4: rename it"),
        (("A.mp4", "a-000000.png"), "the mask of in/a-000000.png could replace that of a frame of in/A.mp4: rename it"),
        (("input/a.png",), "translations would be written into out/input, as the masks: they could replace"),
    ],
)
def test_masks_that_would_replace_files_are_refused(names: tuple[str, ...], message: str) -> None:
    pairs = [(Path("in", name), Path("out", name)) for name in names]
    assert message in refusal(check_masks, pairs, Output(Path("out")), Path(), [Path("out/input")])
    check_masks(pairs[:1], Output(Path("out")), Path(), [Path("saved/input")])


def test_masks_and_a_translation_in_one_file_are_refused() -> None:
    pairs = [(Path("a.png"), Path("saved/input/b.png"))]
    output = Output(Path("saved/input/b.png"), is_file=True)
    assert "as the masks" in refusal(check_masks, pairs, output, Path(), [Path("saved/input")])


def test_a_folder_without_permission_is_refused_before_anything_is_translated(
    run: Run, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "in/a.png")
    (tmp_path / "full").mkdir()
    refuse_writing(tmp_path / "full", monkeypatch)
    problem = f"the folder {tmp_path}/full cannot be written; check its permissions or choose another folder"
    for out in ("full", "full/deep", "full/b.png"):
        assert run("translate", trained, source, "-o", tmp_path / out) == (2, "", f"ganzoo: -o: {problem}\n")
    pairs, masks = [(source, tmp_path / "out/a.png")], [tmp_path / "full/input"]
    message = refusal(check_masks, pairs, Output(tmp_path / "out"), Path(), masks)
    assert message == f"--save-masks: {problem}"


def test_a_file_in_the_place_of_a_folder_is_refused_before_anything_is_translated(
    run: Run, trained: Path, tmp_path: Path
) -> None:
    source, file = save(tmp_path / "in/a.png"), tmp_path / "file.txt"
    file.touch()
    for out in (file, file / "deep", file / "b.png"):
        line = f"ganzoo: -o: {file} is a file, not a folder; choose another folder\n"
        assert run("translate", trained, source.parent, "-o", out) == (2, "", line)
    message = refusal(
        check_masks, [(source, tmp_path / "out/a.png")], Output(tmp_path / "out"), Path(), [file / "input"]
    )
    assert message == f"--save-masks: {file} is a file, not a folder; choose another folder"
    assert run("translate", trained, source, "-o", save(tmp_path / "old.png"))[0] == 0  # a file may be replaced
