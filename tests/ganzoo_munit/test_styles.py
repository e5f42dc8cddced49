"""Styles for ``ganzoo translate``, with a tiny MUNIT."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import ganzoo
from ganzoo.data.image_io import to_float
from ganzoo.inference.options import style_options
from tests.support.command_line import Run
from tests.support.random_images import noise, save


@pytest.fixture
def image(munit_run: Path) -> Path:
    return munit_run.parents[2] / "images/testA/00.png"


def translated(run: Run, *words: object, out: Path) -> dict[str, np.ndarray]:
    """Run translate; return the images that it wrote, by their place."""
    code, message, err = run("translate", *words, "-o", out)
    assert (code, err) == (0, ""), message
    return {str(one.relative_to(out)): np.asarray(Image.open(one)) for one in sorted(out.rglob("*.png"))}


def test_draws_are_keyed_by_seed_and_vary(run: Run, munit_run: Path, image: Path, tmp_path: Path) -> None:
    (one,) = translated(run, munit_run, image, out=tmp_path / "one").values()
    (other,) = translated(run, munit_run, image, "--seed", 5, out=tmp_path / "other").values()
    many = translated(run, munit_run, image, "--samples", 3, out=tmp_path / "many")
    assert list(many) == ["1-random/00.png", "2-random/00.png", "3-random/00.png"]
    first, second, third = many.values()
    assert np.array_equal(first, one) and not np.array_equal(one, other)
    assert not np.array_equal(first, second) and not np.array_equal(second, third)
    again = translated(run, munit_run, image, "--style", "random", "--style", "random", out=tmp_path / "again")
    assert [np.array_equal(one, other) for one, other in zip(again.values(), (first, second), strict=True)] == [
        True
    ] * 2


def test_the_style_of_an_image_and_its_numbers(run: Run, munit_run: Path, image: Path, tmp_path: Path) -> None:
    look = image.parent.parent / "testB/01.png"
    translator = ganzoo.load(munit_run)
    (style,) = style_options(translator, "AB", [str(look)])
    assert style.vector is not None and style.label == ""
    numbers = ",".join(str(float(one)) for one in style.vector[0])
    words = (munit_run, image, "--style", look, f"--style={numbers}", "--style", "random")
    made = translated(run, *words, out=tmp_path)
    assert list(made) == ["1-01/00.png", "2-numbers/00.png", "3-random/00.png"]
    by_image, by_numbers, drawn = made.values()
    assert np.array_equal(by_image, by_numbers) and not np.array_equal(by_image, drawn)
    pixels = torch.from_numpy(np.asarray(Image.open(look)).copy()).movedim(-1, 0)[None].float() / 127.5 - 1
    torch.testing.assert_close(style.vector, translator.method.style_of(pixels, "B").detach())


def test_an_image_with_a_style_is_scaled_as_the_training_images(munit_run: Path, tmp_path: Path) -> None:
    look = save(tmp_path / "look.png", noise(48, 60, 3))
    translator = ganzoo.load(munit_run)
    (style,) = style_options(translator, "AB", [str(look)])
    assert style.vector is not None
    with Image.open(look) as opened:
        small = np.asarray(opened.resize((20, 16), Image.Resampling.BICUBIC))
    torch.testing.assert_close(style.vector, translator.method.style_of(to_float(small)[None], "B").detach())


def test_a_translation_never_replaces_the_image_of_its_style(
    run: Run, munit_run: Path, image: Path, tmp_path: Path
) -> None:
    look = Path(shutil.copy(image, tmp_path / "00.png"))
    code, _, err = run("translate", munit_run, image, "--style", look, "-o", tmp_path)
    message = f"{look} would be overwritten by the translation of {image}: choose another folder or name with -o"
    assert (code, err) == (2, f"ganzoo: {message}\n")
    assert look.read_bytes() == image.read_bytes()


def test_between_two_styles(run: Run, munit_run: Path, image: Path, tmp_path: Path) -> None:
    words = (munit_run, image, "--style=0,0,0", "--style=2,-2,1", "--interpolate", 3)
    made = translated(run, *words, out=tmp_path / "line")
    assert list(made) == ["1/00.png", "2/00.png", "3/00.png"]
    (middle,) = translated(run, munit_run, image, "--style=1,-1,0.5", out=tmp_path / "middle").values()
    assert np.array_equal(made["2/00.png"], middle)
    ends = style_options(ganzoo.load(munit_run), "BA", ["random", "random"], between=2, seed=3)
    assert ends[0].vector is not None and ends[1].vector is not None
    assert not torch.equal(ends[0].vector, ends[1].vector)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--style", "blue"], "--style: 'blue' is not 'random', an image, or numbers: 0.3,-1,…"),
        (["--style=1,2"], "--style: 2 numbers, but a style of domain B has 3"),
        (["--style", "nowhere.png"], "nowhere.png: no such file"),
        (["--interpolate", "4"], "--interpolate: it needs two styles "),
        (["--style=1,nan,0"], "--style: '1,nan,0': every number of a style must be finite"),
        (["--style=1,1e39,0"], "--style: '1,1e39,0': every number of a style must be finite"),
        (["--style=1,2,3", "--samples", "5"], "--samples: only random styles can be drawn several times"),
        (["--style=1,2,3", "--style=0,0,0", "--interpolate", "3", "--samples", "2"], "--interpolate: it needs two"),
    ],
)
def test_mistakes(run: Run, munit_run: Path, image: Path, tmp_path: Path, words: list[str], message: str) -> None:
    code, _, err = run("translate", munit_run, image, "-o", tmp_path, *words)
    assert code == (5 if "no such file" in message else 2)
    assert err.startswith(f"ganzoo: {message}")
