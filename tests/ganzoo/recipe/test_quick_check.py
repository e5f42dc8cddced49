"""Mistakes that show without torch: each with its place, all at once, before anything heavy is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path, PureWindowsPath

import pytest

from ganzoo.engine.start import find_start
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.recipe import needs, quick_check
from ganzoo.recipe.quick_check import check_quickly
from ganzoo.recipe.reader import read_recipe
from ganzoo_datasets.folders import Folders
from tests.support.random_images import save
from tests.support.tiny_run import write_recipe


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trian.steps=1", "trian: unknown key 'trian' (did you mean 'train'?)"),
        ("train.stepps=1", "train.stepps: unknown option 'stepps' (did you mean 'steps'?)"),
        ("images.size=x", "images.size: size is 'x': input should be a valid integer"),
        ("evaluate.metric=[swd]", "evaluate.metric: unknown option 'metric' (did you mean 'metrics'?)"),
        ("method=cyclgan", "method.method: unknown method 'cyclgan' (did you mean 'cyclegan'?)"),
        ("data.dataset=folder", "data.dataset: unknown dataset 'folder' (did you mean 'folders'?)"),
        ("networks.G.generator=resnt", "networks.G.generator: unknown generator 'resnt' (did you mean 'resnet'?)"),
        ("maskers.input=ful", "maskers.input.masker: unknown masker 'ful' (did you mean 'full'?)"),
        ("losses.x.loss=perceptul", "losses.x.loss: unknown loss 'perceptul' (did you mean 'perceptual'?)"),
    ],
)
def test_a_mistake_is_found_with_its_place(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(GanzooError) as caught:
        check_quickly(write_recipe(tmp_path), [override])
    assert str(caught.value).startswith(f"command line: {override}: {message}")
    assert "\n" not in str(caught.value)


def test_all_are_found_at_once_and_a_good_recipe_passes(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path)
    check_quickly(recipe)
    with pytest.raises(GanzooError) as caught:
        check_quickly(recipe, ["train.stepps=1", "method=cyclgan"])
    assert len(str(caught.value).splitlines()) == 2


FOLDERS = "data={dataset: folders, root: nothere}"
PERCEPTUAL = "losses.x={loss: perceptual, weights: nothere.pth, of: fake_B}"


@pytest.mark.parametrize(
    "words",
    [
        ["nothere.yaml"],
        ["tiny.yaml", "train.stepps=1"],
        ["tiny.yaml", "method=cyclgan"],
        ["tiny.yaml", FOLDERS],
        ["tiny.yaml", "data={dataset: folders, A: empty, B: empty}"],
        ["tiny.yaml", "data={dataset: paired, root: nothere}"],
        ["tiny.yaml", "data={dataset: lists, train_A: nothere.txt, train_B: nothere.txt}"],
        ["tiny.yaml", "data={dataset: npz, A: nothere.npz, B: nothere.npz}"],
        ["tiny.yaml", "train.start=runs/nothere"],
        ["tiny.yaml", PERCEPTUAL],
    ],
)
@pytest.mark.parametrize("command", ["run", "check"])
def test_it_is_told_before_torch_is_imported(tmp_path: Path, command: str, words: list[str]) -> None:
    write_recipe(tmp_path)
    (tmp_path / "empty").mkdir()
    code = (
        "import sys\nfrom ganzoo.cli import cli\nfrom ganzoo import GanzooError\n"
        "try:\n    cli.main(sys.argv[1:], standalone_mode=False)\n"
        "except GanzooError:\n    print('torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, command, *words], cwd=tmp_path, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    "data",
    [
        "{dataset: folders, root: nothere}",
        "{dataset: folders, root: empty}",
        "{dataset: folders, A: text, B: text}",
        "{dataset: paired, root: nothere}",
        "{dataset: lists, train_A: nothere.txt, train_B: nothere.txt}",
        "{dataset: npz, A: nothere.npz, B: nothere.npz}",
    ],
)
def test_missing_and_empty_data_have_the_message_of_the_full_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, data: str
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = write_recipe(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "text").mkdir()
    (tmp_path / "text/a.txt").touch()
    errors = []
    for full in (False, True):
        with pytest.raises(GanzooError) as caught:
            if full:
                read_recipe(recipe, [f"data={data}"]).data.make(place="data")
            check_quickly(recipe, [f"data={data}"])
        errors.append((type(caught.value), str(caught.value)))
    assert errors[0] == errors[1]


def test_a_missing_start_has_the_message_of_the_full_check(tmp_path: Path) -> None:
    recipe, start = write_recipe(tmp_path), tmp_path / "nothere"
    messages = []
    for call in (lambda: check_quickly(recipe, [f"train.start={start}"]), lambda: find_start(start)):
        with pytest.raises(MissingResourceError, match=r"^train\.start") as caught:
            call()
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
    check_quickly(recipe, [f"train.start={start}"], starts=False)
    (tmp_path / "checkpoints").mkdir()
    check_quickly(recipe, [f"train.start={tmp_path / 'checkpoints/best'}"])  # the full check names those that exist


def test_missing_weights_have_their_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = [PERCEPTUAL, "evaluate.metrics=[{metric: fid, weights: nothere.pt}]"]
    with pytest.raises(MissingResourceError) as caught:
        check_quickly(write_recipe(tmp_path), changes)
    assert str(caught.value).splitlines() == [
        f"command line: {PERCEPTUAL}: losses.x.weights: nothere.pth: no such weights file; check the path",
        f"command line: {changes[1]}: evaluate.metrics.0.weights: nothere.pt: no such weights file; check the path",
    ]
    for name in ("nothere.pth", "nothere.pt"):
        (tmp_path / name).touch()
    check_quickly(write_recipe(tmp_path), changes)


def test_what_the_recipe_makes_first_may_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ["data={dataset: folders, root: banks/x}", "train.start=runs/tiny/x", "losses.x={loss: perceptual}"]
    changes.append("losses.x.weights=runs/tiny/y")
    made = "{banks/x: {command: bank build}, runs/tiny/x: tiny.yaml, runs/tiny/y: tiny.yaml}"
    check_quickly(write_recipe(tmp_path), [*changes, f"needs={made}"])
    with pytest.raises(MissingResourceError):
        check_quickly(write_recipe(tmp_path), changes)


@pytest.mark.parametrize("kind", [Path, PureWindowsPath])
@pytest.mark.parametrize(
    "change",
    [
        "data={dataset: folders, root: KEY}",
        "train.start=KEY",
        "losses.x={loss: perceptual, of: fake_B, weights: KEY}",
    ],
)
@pytest.mark.parametrize(("key", "value"), [("runs/tiny/x", "./runs/tiny/x/"), ("./runs/tiny/x", "runs/tiny/x")])
def test_what_is_made_first_is_compared_as_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type, change: str, key: str, value: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for module in (needs, quick_check):
        monkeypatch.setattr(module, "Path", kind)
    for text in (value, key):
        check_quickly(write_recipe(tmp_path), [change.replace("KEY", text), f"needs={{{key}: tiny.yaml}}"])


def test_data_that_are_there_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "data"
    for domain in "AB":
        save(root / f"train{domain}/a.png")
    monkeypatch.setattr(Folders, "__init__", lambda self, **options: pytest.fail("the data set is built"))
    check_quickly(write_recipe(tmp_path), [f"data={{dataset: folders, root: {root}}}"])
