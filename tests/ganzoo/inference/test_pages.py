"""Translations keep what files have beside colours: pages, transparency, colour profile, resolution, depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms

import ganzoo as package
from ganzoo.data.domain_io import DomainIO
from ganzoo.data.image_io import from_pil, read_image
from ganzoo.errors import GanzooError
from ganzoo.inference.files import translate_files
from ganzoo.inference.pages import Page, read_page, read_pages
from tests.support.command_line import Command
from tests.support.random_images import noise, save
from tests.support.tiny_run import write_recipe
from tests.support.untrained_runs import write_untrained_run

SMALL = {"generator": "resnet", "width": 2, "blocks": 0}
SHORT: dict[str, Any] = {"train": {"steps": 1}, "evaluate": {"every": 0, "best": None, "metrics": []}}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("pages")
    package.run(write_recipe(home, **SHORT), root=home / "runs")
    return home / "runs/tiny/default"


def test_transparency_profile_and_resolution_are_kept(run: Path, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    pixels = noise(24, 36, 4)
    source = save(tmp_path / "a.png", pixels, icc_profile=profile, dpi=(300, 150))
    translate_files(run, [source], tmp_path / "out", size="original")
    translate_files(run, [source], tmp_path / "small")
    translate_files(run, [source], tmp_path / "opaque", alpha=False)
    with Image.open(tmp_path / "out/a.png") as image:
        assert image.mode == "RGBA"
        np.testing.assert_array_equal(np.asarray(image)[:, :, 3], pixels[:, :, 3])
        assert image.info["icc_profile"] == profile
        assert image.info["dpi"] == pytest.approx((300, 150), rel=1e-3)
    with Image.open(tmp_path / "small/a.png") as image:
        assert (image.mode, image.size) == ("RGBA", (18, 12))
    with Image.open(tmp_path / "opaque/a.png") as image:
        assert image.mode == "RGB"
    with Image.open(source) as image:
        assert package.load(run).translate(image).mode == "RGBA"
        assert package.load(run).translate(image, alpha=False).mode == "RGB"


def test_transparency_is_turned_with_the_image(run: Path, tmp_path: Path) -> None:
    exif, pixels = Image.Exif(), noise(24, 36, 4)
    exif[274] = 6  # the orientation: to be turned by 90 degrees clockwise
    source = save(tmp_path / "a.png", pixels, exif=exif)
    upright = np.rot90(pixels, -1)
    page = read_page(source, DomainIO(3))
    assert page.alpha is not None and page.pixels.shape == (36, 24, 3)
    np.testing.assert_array_equal(page.alpha, upright[:, :, 3])
    translate_files(run, [source], tmp_path / "out", size="original")
    with Image.open(tmp_path / "out/a.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[:, :, 3], upright[:, :, 3])


def test_a_profile_of_other_colours_is_left_out(run: Path, tmp_path: Path) -> None:
    header = bytearray(128)
    header[16:20] = b"CMYK"
    Image.new("CMYK", (8, 8)).save(tmp_path / "a.jpg", icc_profile=bytes(header))
    translate_files(run, [tmp_path / "a.jpg"], tmp_path / "out")
    with Image.open(tmp_path / "out/a.png") as image:
        assert "icc_profile" not in image.info


@pytest.mark.parametrize(("suffix", "kept"), [(".png", True), (".jpg", True), (".tif", True), (".webp", False)])
def test_a_profile_of_greys_is_left_out_where_they_become_colours(tmp_path: Path, suffix: str, kept: bool) -> None:
    run = write_untrained_run(tmp_path / "run", {"method": "cyclegan", "networks": {"G": SMALL}}, A=1, B=1)
    header = bytearray(128)
    header[16:20] = b"GRAY"
    source = save(tmp_path / "a.png", noise(16, 16), icc_profile=bytes(header))
    translate_files(run, [source], tmp_path / "out", form=suffix[1:])
    with Image.open(tmp_path / f"out/a{suffix}") as image:
        assert (image.mode, "icc_profile" in image.info) == ("L" if kept else "RGB", kept)


@pytest.mark.parametrize("suffix", [".tif", ".gif", ".webp"])
def test_every_page_is_translated(command: Command, run: Path, tmp_path: Path, suffix: str) -> None:
    frames = [Image.fromarray(noise(3, 16, 16, 3)[i]) for i in range(3)]
    (tmp_path / "in/deep").mkdir(parents=True)
    frames[0].save(tmp_path / f"in/deep/a{suffix}", save_all=True, append_images=frames[1:])
    done = command("translate", run, tmp_path / "in", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (tmp_path / "out/deep").iterdir()) == [f"a-00{i}.png" for i in range(3)]
    assert "1 of 1 images translated AB (3 pages or frames of files with several)" in done.stdout
    results = [np.asarray(Image.open(tmp_path / f"out/deep/a-00{i}.png")) for i in range(3)]
    assert not np.array_equal(results[0], results[1]) and not np.array_equal(results[1], results[2])
    with pytest.raises(GanzooError, match="it has several pages or frames"):
        package.load(run).translate(tmp_path / f"in/deep/a{suffix}")


@pytest.mark.parametrize("copies", [[0], [0, 2], [0, 1]])
def test_smaller_copies_in_a_file_are_not_translated(run: Path, tmp_path: Path, copies: list[int]) -> None:
    """Unless it has nothing else."""
    frames = [Image.fromarray(noise(3, 16, 16, 3)[i]) for i in range(max(copies) + 1 + (copies == [0]))]
    for i, frame in enumerate(frames):
        frame.encoderinfo = {"tiffinfo": {254: int(i in copies)}}  # else Pillow takes the first one's
    chosen = next((i for i in range(len(frames)) if i not in copies), 0)
    frames[chosen].copy().save(tmp_path / "whole.png")
    frames[0].save(tmp_path / "a.tif", save_all=True, append_images=frames[1:], tiffinfo={254: 1})
    translate_files(run, [tmp_path / "a.tif"], tmp_path / "out")
    translator = package.load(run)
    expected = np.asarray(translator.translate(tmp_path / "whole.png"))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "out/a.png")), expected)
    np.testing.assert_array_equal(np.asarray(translator.translate(tmp_path / "a.tif")), expected)
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif", 3), np.asarray(frames[chosen]))


def test_a_page_never_replaces_another_translation(run: Path, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (16, 16), shade) for shade in ("red", "blue")]
    save(tmp_path / "in/a-001.png", noise(16, 16, 3))
    frames[0].save(tmp_path / "in/a.tif", save_all=True, append_images=frames[1:])
    with pytest.raises(GanzooError, match=r"a-001\.png: its translation would replace that of a page of .*in/a\.tif"):
        translate_files(run, [tmp_path / "in"], tmp_path / "out")
    with pytest.raises(GanzooError, match=r"out\.png is one file, but .*in/a\.tif has 2 pages; give a folder"):
        translate_files(run, [tmp_path / "in/a.tif"], tmp_path / "out.png")
    assert [one.name for one in tmp_path.iterdir()] == ["in"]
    save(tmp_path / "in/b-002.png", noise(16, 16, 3))
    frames[0].save(tmp_path / "in/b.tif", save_all=True, append_images=frames[1:])
    (tmp_path / "in/a-001.png").unlink()
    translate_files(run, [tmp_path / "in"], tmp_path / "out")
    assert sorted(one.name for one in (tmp_path / "out").iterdir()) == [
        *("a-000.png", "a-001.png", "b-000.png", "b-001.png", "b-002.png")
    ]


def test_files_that_are_no_images_are_named(command: Command, run: Path, tmp_path: Path) -> None:
    save(tmp_path / "in/a.png")
    (tmp_path / "in/b.svg").touch()
    done = command("translate", run, tmp_path / "in", "-o", tmp_path / "out")
    assert f"{tmp_path}/in: 1 file is not read: 1 .svg" in done.stdout


def test_one_bad_image_of_any_kind_costs_no_other(command: Command, run: Path, tmp_path: Path) -> None:
    for name in ("a", "z"):
        save(tmp_path / f"in/{name}.png", noise(16, 16, 3))
    np.save(tmp_path / "in/empty.npy", np.zeros((0, 5, 3), np.uint8))
    (tmp_path / "in/header.npy").write_bytes(b"\x93NUMPY\x01\x00\x30\x00{'descr': '|u1', " + b" " * 31)
    (tmp_path / "in/line.png").symlink_to(tmp_path / "nowhere")
    done = command("translate", run, tmp_path / "in", "-o", tmp_path / "out")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 4), done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "z.png"]


class TestScale:
    def test_images_are_scaled_as_the_training_images(self, command: Command, run: Path, tmp_path: Path) -> None:
        source = save(tmp_path / "big.png", noise(48, 96, 3))
        done = command("translate", run, source, "-o", tmp_path / "out")
        line = "1 were scaled to a shorter side of 12 pixels, the size of the training images (--size changes it); "
        assert line + "--scale-back restores their sizes" in done.stdout
        with Image.open(tmp_path / "out/big.png") as image:
            assert image.size == (24, 12)
            expected = np.asarray(image)
        translator = package.load(run)
        np.testing.assert_array_equal(np.asarray(translator.translate(source)), expected)
        with Image.open(source) as image:
            half = image.resize((24, 12), Image.Resampling.BICUBIC)
            np.testing.assert_array_equal(np.asarray(translator.translate(half)), expected)

    def test_translations_are_scaled_back_on_request(self, command: Command, run: Path, tmp_path: Path) -> None:
        source = save(tmp_path / "big.png", noise(48, 96, 4))
        done = command("translate", run, source, "-o", tmp_path / "out", "--scale-back")
        assert "the translations were scaled back" in done.stdout
        with Image.open(tmp_path / "out/big.png") as image:
            assert image.size == (96, 48)
            np.testing.assert_array_equal(np.asarray(image)[:, :, 3], noise(48, 96, 4)[:, :, 3])
            np.testing.assert_array_equal(
                np.asarray(package.load(run).translate(source, scale_back=True)), np.asarray(image)
            )

    def test_images_of_the_trained_size_are_left_alone(self, command: Command, run: Path, tmp_path: Path) -> None:
        done = command("translate", run, save(tmp_path / "a.png", noise(12, 30, 3)), "-o", tmp_path / "out")
        assert done.stdout.splitlines() == [f"1 of 1 images translated AB, into {tmp_path}/out"]

    def test_wrong_sizes(self, command: Command, run: Path, tmp_path: Path) -> None:
        for text in ("0", "-3", "big", "1.5"):
            done = command("translate", run, save(tmp_path / "a.png"), "-o", tmp_path / "out", "--size", text)
            assert done.returncode == 2 and "is not a number of pixels, trained or original" in done.stderr
        with pytest.raises(GanzooError, match="size and scale_back are for images and files"):
            package.load(run).translate(torch.zeros(3, 8, 8), size=4)  # type: ignore[call-overload]


class TestDepth:
    def test_images_of_12_bits_keep_their_range_and_depth(self, command: Command, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        for folder in ("trainA", "trainB", "testA", "testB"):
            for i in range(4):
                suffix = ".png" if i % 2 else ".tif"
                save(tmp_path / f"images/{folder}/{i}{suffix}", rng.integers(0, 4096, (16, 20), dtype=np.uint16))
        grey = {"channels": {"A": 1, "B": 1}}
        plain = write_recipe(tmp_path, "plain", data=grey, **SHORT)
        done = command("run", plain, "--root", tmp_path / "runs")
        assert done.returncode == 0, done.stderr
        assert "17 of 256 levels are used; set data.range=[0, 4095]" in done.stdout
        ranged = write_recipe(tmp_path, "ranged", data={**grey, "range": [0, 4095]}, **SHORT)
        done = command("run", ranged, "--root", tmp_path / "runs")
        assert done.returncode == 0, done.stderr
        assert "levels are used" not in done.stdout
        translate_files(tmp_path / "runs/ranged/default", [tmp_path / "images/testA"], tmp_path / "out")
        values = np.stack([np.asarray(Image.open(path)) for path in sorted((tmp_path / "out").iterdir())])
        assert values.shape == (4, 12, 15) and values.dtype == np.uint16
        assert values.max() <= 4095 and len(np.unique(values % 16)) > 8  # values between the 8-bit levels

    def test_arrays_of_five_channels_come_out_as_arrays(self, tmp_path: Path) -> None:
        for folder in ("trainA", "trainB", "testA", "testB"):
            (tmp_path / f"images/{folder}").mkdir(parents=True)
            for i in range(4):
                np.save(tmp_path / f"images/{folder}/{i}.npy", noise(16, 16, 5))
        recipe = write_recipe(tmp_path, data={"channels": {"A": 5, "B": 5}}, **SHORT)
        package.run(recipe, root=tmp_path / "runs")
        translate_files(tmp_path / "runs/tiny/default", [tmp_path / "images/testA"], tmp_path / "out")
        result = np.load(tmp_path / "out/0.npy")
        assert (result.shape, result.dtype) == ((12, 12, 5), np.uint8)


@pytest.mark.parametrize("resolution", [(72.0, float("nan")), (float("inf"), 72.0), (72.0, 0.0), (72.0,)])
def test_a_resolution_that_is_no_number_is_left_out(resolution: tuple[float, ...]) -> None:
    image = Image.new("RGB", (4, 4))
    image.info["dpi"] = resolution
    assert Page.of(image, DomainIO(3)).resolution is None


class TestPagesOfOneTiff:
    """What Pillow knows of one page of a TIFF file stays when it goes to another one, in either direction."""

    def save(self, file: Path, images: list[Image.Image], tags: list[dict[int, Any]] | None = None) -> Path:
        for image, own in zip(images, tags or [{}] * len(images), strict=True):
            image.encoderinfo = {"tiffinfo": own}  # else Pillow takes the first one's
        images[0].save(file, save_all=True, append_images=images[1:], tiffinfo=(tags or [{}])[0])
        return file

    @pytest.mark.parametrize("mode", ["L", "RGB", "LA", "I;16"])
    @pytest.mark.parametrize("palette_first", [False, True])
    def test_a_palette_colours_its_own_page_only(self, tmp_path: Path, mode: str, palette_first: bool) -> None:
        kinds = {"L": noise(16, 16), "RGB": noise(16, 16, 3), "LA": noise(16, 16, 2)}
        plain = Image.fromarray(kinds[mode] if mode in kinds else noise(16, 16).astype(np.uint16) * 257)
        palette = Image.fromarray(noise(16, 16, 3)).quantize(16)
        images = [palette, plain] if palette_first else [plain, palette]
        expected = [from_pil(image, 3) for image in images]
        file = self.save(tmp_path / "a.tif", images)
        pages = [page.pixels for page in read_pages(file, DomainIO(3))]
        np.testing.assert_array_equal(pages, expected)

    def test_a_small_copy_with_a_palette_does_not_colour_the_image(self, tmp_path: Path) -> None:
        palette = Image.fromarray(noise(16, 16, 3)).quantize(16)
        plain = Image.fromarray(noise(16, 16))
        file = self.save(tmp_path / "a.tif", [palette, plain], [{254: 1}, {}])
        np.testing.assert_array_equal(read_image(file, 3), from_pil(plain, 3))

    @pytest.mark.parametrize("order", [[0, 1], [1, 0]])
    def test_profile_and_resolution_are_those_of_the_page(self, tmp_path: Path, order: list[int]) -> None:
        images = [Image.fromarray(noise(8, 8, 3)) for _ in range(2)]
        tags: list[dict[int, Any]] = [{34675: b"profile", 282: 300.0, 283: 150.0, 296: 2}, {282: 3.0, 283: 2.0, 296: 1}]
        file = self.save(tmp_path / "a.tif", [images[i] for i in order], [tags[i] for i in order])
        pages = [*read_pages(file, DomainIO(3))]
        assert [(page.profile, page.resolution) for page in pages] == [
            [(b"profile", (300.0, 150.0)), (b"", None)][i] for i in order
        ]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({}, None),
        ({282: 100.0}, None),
        ({282: 0.0, 283: 0.0}, None),
        ({282: 100.0, 283: 50.0}, (100, 50)),
        ({282: 100.0, 283: 50.0, 296: 3}, (254, 127)),
        ({282: 100.0, 283: 50.0, 296: 1}, None),
    ],
)
def test_the_resolution_of_a_tiff_is_that_of_its_tags(
    tmp_path: Path, tags: dict[int, Any], expected: tuple[float, float] | None
) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "a.tif", tiffinfo=tags)
    assert read_page(tmp_path / "a.tif", DomainIO(1)).resolution == (expected and pytest.approx(expected))
