"""Mistakes that show without torch: each with its place, all at once, before anything heavy is imported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ganzoo.errors import GanzooError
from ganzoo.recipe.quick_check import check_quickly
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


@pytest.mark.parametrize("words", [["nothere.yaml"], ["tiny.yaml", "train.stepps=1"], ["tiny.yaml", "method=cyclgan"]])
@pytest.mark.parametrize("command", ["run", "check"])
def test_it_is_told_before_torch_is_imported(tmp_path: Path, command: str, words: list[str]) -> None:
    write_recipe(tmp_path)
    code = (
        "import json, sys\nfrom ganzoo.cli import cli\nfrom ganzoo import GanzooError\n"
        "try:\n    cli.main(sys.argv[1:], standalone_mode=False)\n"
        "except GanzooError:\n    print(json.dumps([one for one in ('torch', 'numpy', 'PIL') if one in sys.modules]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, command, *words], cwd=tmp_path, capture_output=True, text=True)
    assert json.loads(done.stdout) == [], done.stderr
