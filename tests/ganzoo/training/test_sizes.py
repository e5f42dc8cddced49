"""Runs on oblong images, on crops, and on whole images of several sizes: train, evaluate, translate, export, check."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import ganzoo as package
from ganzoo.errors import GanzooError
from ganzoo.inference.files import translate_files
from ganzoo.training.run import Run
from tests.support.tiny_run import lines, write_recipe

SHAPES = [(7, 513), (20, 16), (40, 24), (7, 513), (33, 21), (16, 50)]
IMAGES: dict[str, dict[str, Any]] = {
    "oblong": {"size": [24, 40], "load": 30, "zoom": [0.9, 1.2]},
    "crop": {"size": [7, 16], "fit": "crop", "scales": [1.0, 2.0]},
    "whole": {"fit": "none"},
}
TRAIN = {"steps": 6, "precision": "fp32", "batch": 1, "lr": 1e-3, "log": 3, "sample": 3, "save": 2}
EVALUATE = {"metrics": ["cycle_l1", "swd"], "every": 3, "best": "min cycle_l1_AB", "batch": 4}


def make_images(folder: Path) -> Path:
    """Write noise of several sizes to trainA, trainB, testA and testB."""
    for place in ("trainA", "trainB", "testA", "testB"):
        (folder / place).mkdir(parents=True)
        for index, (height, width) in enumerate(SHAPES):
            pixels = np.random.default_rng([len(place), ord(place[-1]), index]).integers(0, 256, (height, width, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / place / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sizes")
    make_images(folder / "images")
    return folder


def recipe_of(folder: Path, home: Path, kind: str, **evaluate: Any) -> Path:
    metrics = {"metrics": ["cycle_l1"]} if kind != "oblong" else {}  # swd needs 16 pixels, and one size
    data = {"root": str(home / "images"), "validation": 0.34}
    evaluate = {**EVALUATE, **metrics, **evaluate}
    (folder / "images").mkdir(parents=True, exist_ok=True)  # the images of the tiny recipe are not needed
    recipe = write_recipe(folder, train=TRAIN, evaluate=evaluate, data=data)
    text = recipe.read_text().replace(
        "  load: 16\n  size: 12\n", "".join(f"  {k}: {v}\n" for k, v in IMAGES[kind].items())
    )
    recipe.write_text(text)
    return recipe


@pytest.fixture(scope="module", params=IMAGES)
def trained(request: pytest.FixtureRequest, home: Path) -> tuple[str, Path]:
    """Return the kind of sizes and the folder of a run that was trained on them."""
    kind = str(request.param)
    package.run(recipe_of(home / kind, home, kind), root=home / kind)
    return kind, home / kind / "tiny/default"


def test_a_run_is_sampled_evaluated_and_translates(trained: tuple[str, Path], home: Path, tmp_path: Path) -> None:
    kind, run = trained
    events = [line["event"] for line in lines(run / "events.jsonl")]
    assert "samples-failed" not in events and "image-replaced" not in events and events[-1] == "finished"
    (record, *_) = lines(run / "results.jsonl")
    assert record["failed"] == {}
    assert "cycle_l1_AB" in record["values"]
    translator = package.load(run)
    for shape, expected in {
        "oblong": {(7, 513): (24, 1759), (20, 16): (50, 40), (40, 24): (67, 40)},
        "crop": {(7, 513): (7, 513), (20, 16): (20, 16)},
        "whole": {(7, 513): (7, 513), (40, 24): (40, 24)},
    }[kind].items():
        image = Image.fromarray(np.zeros((*shape, 3), np.uint8))
        assert translator.translate(image).size == expected[::-1]
    translate_files(run, [home / "images/testA/2.png"], tmp_path / "out")
    with Image.open(tmp_path / "out/2.png") as written:
        assert written.size == ((40, 67) if kind == "oblong" else (24, 40))
    metadata = package.export(run, tmp_path / "x.pt2")
    assert metadata["size"] == ([24, 40] if kind == "oblong" else "original")
    assert metadata["difference"] < 1e-3


def test_the_batch_of_an_evaluation_changes_no_value(home: Path, tmp_path: Path) -> None:
    """Whole images of several sizes are measured in batches of equal sizes."""
    values = [
        package.run(
            recipe_of(tmp_path / str(batch), home, "whole", batch=batch, metrics=["cycle_l1"]),
            root=tmp_path / str(batch),
        )
        for batch in (1, 6)
    ]
    assert values[0] == pytest.approx(values[1], rel=1e-5) and len(values[0]) == 2


def test_a_run_on_whole_images_resumes(home: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, home, "whole", metrics=["cycle_l1"])
    package.run(recipe, "train.steps=4", root=tmp_path)
    package.run(recipe, "train.steps=6", root=tmp_path)
    assert [one["step"] for one in lines(tmp_path / "tiny/default/results.jsonl")][-1] == 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["images.fit=crop", "images.load=0", "images.size=[8, 16]"], r"data: train images of A: 2 of 3 are smaller"),
        (
            ["images.fit=none", "images.load=0", "train.batch=2"],
            r"data: train images of A: they have 2 sizes .*batch=1",
        ),
        (
            ["images.fit=none", "images.load=0", "networks.D.layers=3"],
            "patch with layers: 3 needs images of at least",
        ),
    ],
)
def test_sizes_that_do_not_fit_fail_before_there_is_a_folder(
    home: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    recipe = recipe_of(tmp_path, home, "oblong")
    with pytest.raises(GanzooError, match=message):
        Run.prepare(recipe, [*words, "images.zoom=null"], root=tmp_path)
    assert not (tmp_path / "tiny").exists()


def test_the_size_may_not_change_when_a_run_is_resumed(home: Path, tmp_path: Path) -> None:
    recipe = recipe_of(tmp_path, home, "whole", metrics=["cycle_l1"])
    package.run(recipe, "train.steps=1", root=tmp_path)
    with pytest.raises(GanzooError, match=r"images\.fit: none → stretch"):
        package.run(recipe, "images.fit=stretch", root=tmp_path)


@pytest.mark.parametrize("kind", IMAGES)
def test_check_names_the_shapes_and_the_memory_of_the_images(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    from ganzoo.check.parts_table import check

    check(recipe_of(tmp_path, home, kind), [])
    printed = capsys.readouterr().out
    assert "of memory for decoded images" in printed
    assert {"oblong": "3×24×40 → 3×24×40", "crop": "3×7×16 → 3×7×16", "whole": "D_A"}[kind] in printed
