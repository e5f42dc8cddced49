"""Translation of all images, in any size, under the same names; command line and Python give the same pixels."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo as package
from ganzoo.data.image_io import to_float
from ganzoo.data.transforms import FILTERS
from ganzoo.errors import GanzooError, OutOfMemoryError
from ganzoo.inference.files import translate_files
from ganzoo.inference.options import StyleOption, style_options
from ganzoo.inference.output import Output, plan_outputs
from ganzoo.inference.publish_files import preprocessing
from ganzoo.inference.videos import Steadiness, check_steadiness
from tests.support.command_line import Command, refusal
from tests.support.tiny_run import write_recipe
from tests.support.untrained_runs import write_untrained_run

GENERATOR = {"generator": "resnet", "width": 2, "blocks": 1}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("translate")
    package.run(write_recipe(home, train={"steps": 2}, evaluate={"every": 0, "best": None}), root=home / "runs")
    return home / "runs/tiny/default"


def noise(file: Path, height: int, width: int) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return file


@pytest.mark.parametrize("direction", ["AB", "BA"])
def test_command_line_path_image_and_tensor_give_the_same_pixels(
    command: Command, run: Path, tmp_path: Path, direction: str
) -> None:
    source = noise(tmp_path / "in/a b ü.png", 37, 21)
    done = command("translate", run, source, "-o", tmp_path / "out", "--direction", direction, "--size", "original")
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out/a b ü.png") as written:
        expected = np.array(written)
    assert expected.shape == (37, 21, 3)
    translator = package.load(run)
    with Image.open(source) as image:
        assert np.array_equal(np.array(translator.translate(image, direction, size="original")), expected)
        pixels = np.array(image)
    assert np.array_equal(np.array(translator.translate(source, direction, size="original")), expected)
    tensor = translator.translate(to_float(pixels), direction)
    assert tensor.shape == (3, 37, 21) and tensor.abs().max() <= 1
    assert np.array_equal(((tensor.permute(1, 2, 0) + 1) * 127.5).round().numpy().astype(np.uint8), expected)
    batch = translator.translate(torch.stack([to_float(pixels)] * 2), direction)
    torch.testing.assert_close(batch[1], tensor, rtol=1e-4, atol=1e-5)


def test_images_are_scaled_by_the_filter_of_the_training_images(tmp_path: Path) -> None:
    file, written = noise(tmp_path / "large.png", 60, 75), {}
    with Image.open(file) as image:
        smaller = {name: image.resize((20, 16), getattr(Image.Resampling, name.upper())) for name in FILTERS}
    for name in FILTERS:
        run = write_untrained_run(
            tmp_path / name,
            {"method": "cyclegan", "networks": {"G": GENERATOR}, "images": {"size": 16, "resample": name}},
        )
        translator = package.load(run)
        written[name] = np.array(translator.translate(file))
        assert np.array_equal(written[name], np.array(translator.translate(smaller[name])))
        assert preprocessing(translator)["resample"] == name
    assert not np.array_equal(written["bicubic"], written["bilinear"])


def test_directions_differ_and_the_averaged_generators_are_used(run: Path) -> None:
    translator = package.load(run)
    image = torch.rand(3, 16, 16) * 2 - 1
    assert not torch.equal(translator.translate(image, "AB"), translator.translate(image, "BA"))
    from safetensors.torch import load_file

    average = load_file(run / "checkpoints/last/average/G_AB.safetensors")
    assert all(
        torch.equal(value, average[name]) for name, value in translator.method.networks["G_AB"].state_dict().items()
    )
    plain = load_file(run / "checkpoints/last/networks/G_AB.safetensors")
    assert any(not torch.equal(plain[name], average[name]) for name in plain)


def test_folders_keep_names_and_structure_and_every_image_is_translated(run: Path, tmp_path: Path) -> None:
    names = [f"deep/{i % 3}/image {i:03}.{'png' if i % 2 else 'bmp'}" for i in range(60)]
    for i, name in enumerate(names):
        noise(tmp_path / "in" / name, 8 + i % 5, 9)
    single = noise(tmp_path / "single.webp", 8, 8)
    translate_files(run, [tmp_path / "in", single], tmp_path / "out")
    translated = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.png")}
    assert translated == {str(Path(name).with_suffix(".png")) for name in names} | {"single.png"}


def test_failures_are_listed_and_all_other_images_are_translated(command: Command, run: Path, tmp_path: Path) -> None:
    noise(tmp_path / "in/good.png", 9, 9)
    (tmp_path / "in/empty.png").touch()
    whole = noise(tmp_path / "whole.jpg", 64, 64).read_bytes()
    (tmp_path / "in/cut.jpg").write_bytes(whole[: len(whole) // 2])
    done = command("translate", run, tmp_path / "in", tmp_path / "missing.png", "-o", tmp_path / "out")
    assert done.returncode == 2
    assert "1 of 4 images translated AB" in done.stdout
    lines = done.stderr.splitlines()
    assert len(lines) == 4 and "Traceback" not in done.stderr
    for name, line in zip(("cut.jpg", "empty.png", "missing.png"), lines, strict=False):
        assert name in line
    assert lines[-1] == "ganzoo: 3 of 4 images were not translated"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["good.png"]


def test_long_names_are_kept_and_leftovers_of_killed_processes_are_deleted(run: Path, tmp_path: Path) -> None:
    long = noise(tmp_path / f"{'n' * 251}.png", 9, 9)
    leftover, fresh = tmp_path / "out/.a.png.999999999.part", tmp_path / "out/.b.png.999999999.part"
    leftover.parent.mkdir()
    for file in (leftover, fresh):
        file.touch()
    os.utime(leftover, (0, 0))
    translate_files(run, [long], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {long.name, fresh.name}


def test_a_link_to_itself_is_no_folder_for_translations(run: Path, tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(GanzooError, match=r"loop/a\.png: it cannot be written"):
        translate_files(run, [noise(tmp_path / "a.png", 9, 9)], tmp_path / "loop")


def test_size_scales_the_shorter_side_first(run: Path, tmp_path: Path) -> None:
    translate_files(run, [noise(tmp_path / "p.png", 40, 60)], tmp_path / "out", size=16)
    with Image.open(tmp_path / "out/p.png") as translated:
        assert translated.size == (24, 16)


def test_images_that_differ_only_in_their_extension_keep_it(tmp_path: Path) -> None:
    for name in ("a.jpg", "a.png", "b.jpg"):
        noise(tmp_path / "in" / name, 8, 8)
    names = [target.name for _, target in plan_outputs([tmp_path / "in"], Output(Path("out")))]
    assert names == ["a.jpg.png", "a.png.png", "b.png"]


def test_name_conflicts_and_overwriting_a_source_are_refused(tmp_path: Path) -> None:
    first, second = noise(tmp_path / "x/a.png", 8, 8), noise(tmp_path / "y/a.png", 8, 8)
    with pytest.raises(GanzooError, match="would both become"):
        plan_outputs([first, second], Output(tmp_path / "out"))
    with pytest.raises(GanzooError, match="would be overwritten"):
        plan_outputs([first], Output(tmp_path / "x"))
    with pytest.raises(GanzooError, match="would be overwritten"):
        plan_outputs([first], Output(first, is_file=True))


@pytest.mark.parametrize("out", [".", "out", "deep/out"])
def test_a_folder_for_the_translations_within_the_images_is_refused(tmp_path: Path, out: str) -> None:
    noise(tmp_path / "in/a.png", 8, 8)
    with pytest.raises(GanzooError, match="would translate the translations: choose a folder outside"):
        plan_outputs([tmp_path / "in"], Output(tmp_path / "in" / out))
    assert len(plan_outputs([tmp_path / "in/a.png"], Output(tmp_path / "in/deep"))) == 1  # a file is only itself


def test_one_image_can_be_translated_into_a_file(run: Path, tmp_path: Path) -> None:
    source = noise(tmp_path / "a.jpg", 9, 9)
    translate_files(run, [source], tmp_path / "new/result.png")
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["result.png"]
    for inputs, out, problem in (
        ([source, source], "b.png", "one file for several images"),
        ([tmp_path], "b.png", "one file for several images"),
        ([source], "b.bmp", "a .bmp file; give a folder, or for one image a name that ends in .png, .jpg"),
    ):
        with pytest.raises(GanzooError, match=problem):
            translate_files(run, inputs, tmp_path / out)


def test_wrong_run_checkpoint_device_or_direction_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="not a run's folder"):
        package.load(tmp_path)
    with pytest.raises(GanzooError, match=r"no checkpoint best; there are: last"):
        package.load(run, checkpoint="best")
    with pytest.raises(GanzooError, match="--device is 'gpuu'"):
        package.load(run, device="gpuu")
    with pytest.raises(GanzooError, match="direction is 'AC'"):
        package.load(run).translate(torch.zeros(3, 8, 8), "AC")


@pytest.mark.parametrize(
    ("image", "options", "message"),
    [
        (torch.zeros(1, 8, 8), {}, "image has the shape (1, 8, 8), so 1 channels; the images of domain A have 3"),
        (torch.zeros(2, 4, 8, 8), {}, "image has the shape (2, 4, 8, 8), so 4 channels; the images of domain A have 3"),
        (torch.zeros(8, 8), {}, "image has the shape (8, 8); it must have (C, H, W), or (B, C, H, W) for B images"),
        (
            torch.zeros(0, 3, 8, 8),
            {},
            "image has the shape (0, 3, 8, 8); it must have (C, H, W), or (B, C, H, W) for B images",
        ),
        (
            torch.zeros(3, 8, 8, dtype=torch.uint8),
            {},
            "image is a tensor of uint8; it must be of floats in [−1, 1]: image / 127.5 - 1 converts uint8 values",
        ),
        (
            np.zeros((8, 8, 3), np.uint8),
            {},
            "image is of the type ndarray; give a path, a PIL image or a tensor; Image.fromarray makes an image of an "
            "array",
        ),
        (Image.new("RGB", (8, 8)), {"mask": 1}, "mask is of the type int; give a path, a PIL image or a tensor"),
        (
            Image.new("RGB", (8, 8)),
            {"size": "big"},
            "size is 'big'; it must be a number of pixels from 1 on, 'trained' or 'original'",
        ),
        (
            Image.new("RGB", (8, 8)),
            {"size": 0},
            "size is 0; it must be a number of pixels from 1 on, 'trained' or 'original'",
        ),
        (
            Image.new("RGB", (8, 8)),
            {"size": -5},
            "size is -5; it must be a number of pixels from 1 on, 'trained' or 'original'",
        ),
        (Image.new("RGB", (8, 8)), {"tile": "x"}, "--tile is 'x'; it must be at least 16 pixels, auto or none"),
        (torch.zeros(3, 8, 8), {"tile": 5}, "--tile is 5; it must be at least 16 pixels, auto or none"),
    ],
)
def test_a_wrong_argument_is_not_blamed_on_the_plugin(
    run: Path, image: Any, options: dict[str, Any], message: str
) -> None:
    assert refusal(package.load(run).translate, image, **options) == message


def test_tensors_of_any_float_type_are_translated(run: Path) -> None:
    translator, image = package.load(run), torch.rand(3, 8, 8, dtype=torch.float64) * 2 - 1
    assert torch.equal(translator.translate(image), translator.translate(image.float()))


def test_a_size_that_cannot_fit_into_the_memory_is_refused_before_the_image_is_scaled(
    run: Path, tmp_path: Path
) -> None:
    noise(tmp_path / "p.png", 30, 40)
    message = (
        r"p\.png: an image of 1333332×999999 pixels, which needs .*, does not fit into the memory; make it smaller"
    )
    with pytest.raises(GanzooError, match=message):
        translate_files(run, [tmp_path / "p.png"], tmp_path / "out", size=999999)
    with pytest.raises(OutOfMemoryError, match="make it smaller with --size"):
        package.load(run).translate(tmp_path / "p.png", size=999999)


def test_an_empty_folder_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with pytest.raises(GanzooError, match="no images found in"):
        translate_files(run, [tmp_path / "in"], tmp_path / "out")


def test_reading_a_run_never_renames_its_checkpoints(run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    last = copy / "checkpoints/last"
    last.rename(copy / "checkpoints/.last.old")  # as between the two renames of a save
    translator = package.load(copy)
    assert translator.step == 2
    assert not last.exists()


def test_styles_are_those_of_the_direction(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A method may have styles in one direction only."""
    translator = package.load(run)
    monkeypatch.setattr(translator.method, "style_size", lambda domain: 3 if domain == "B" else 0)
    assert len(style_options(translator, "AB", samples=2)) == 2
    assert style_options(translator, "BA") == [StyleOption()]
    message = "--samples: the method's translations BA have no styles; those AB have"
    assert refusal(style_options, translator, "BA", samples=2) == message
    steadiness = Steadiness(frame_styles=True)
    check_steadiness(steadiness, translator.method, "AB", given=False, styled=False)
    error = refusal(check_steadiness, steadiness, translator.method, "BA", given=False, styled=False)
    assert error.startswith("--frame-styles: the method's translations BA have no styles; those AB have")


def test_a_method_without_styles_refuses_them(run: Path) -> None:
    translator = package.load(run)
    message = "the method has no styles: it gives one translation of each image"
    assert refusal(style_options, translator, "AB", ["random"]) == f"--style: {message}"
    assert refusal(style_options, translator, "AB", samples=2) == f"--samples: {message}"
    assert refusal(style_options, translator, "AB", ["random", "1,2"], between=3) == f"--interpolate: {message}"
    assert style_options(translator, "AB") == [StyleOption()]
    with pytest.raises(GanzooError, match="CycleGAN has no styles"):
        translator.method.style_of(torch.zeros(1, 3, 8, 8), "A")
