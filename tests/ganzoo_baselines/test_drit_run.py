"""Runs of DRIT: refusals, evaluation and resuming; two processes train as one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import ganzoo
from ganzoo import GanzooError
from ganzoo.check.parts_table import check
from ganzoo.engine.engine import Engine
from ganzoo.engine.trial import try_components
from ganzoo.recipe.reader import read_recipe
from ganzoo.step import Step
from tests.support.small_networks import DRIT_SMALL
from tests.support.tiny_run import RECIPE, everything, make_images
from tests.support.two_processes import assert_two_processes_train_as_one

CRITICS = ("D_A", "D_B", "D_A2", "D_B2")


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("drit")
    file = folder / "tiny.yaml"
    whole = {
        **RECIPE,
        "method": {"method": "drit", "content_layers": 0},
        "networks": DRIT_SMALL,
        "data": {"dataset": "folders", "root": str(make_images(folder / "images"))},
        "images": {"size": 16},
    }
    file.write_text(yaml.safe_dump(whole))
    return file


QUIET = ["train.decay=0", "train.sample=0", "evaluate.every=0", "evaluate.best=null"]


def test_an_odd_batch_is_refused_with_its_line(recipe: Path) -> None:
    odd = recipe.with_name("odd.yaml")
    odd.write_text(recipe.read_text().replace("batch: 2", "batch: 3"))
    with pytest.raises(GanzooError) as caught:
        read_recipe(odd, ["images.size=x"])
    lines = sorted(str(caught.value).splitlines())
    assert len(lines) == 2 and "images.size: size is 'x'" in lines[1]
    number = next(i for i, line in enumerate(odd.read_text().splitlines(), 1) if "batch: 3" in line)
    message = "batch is 3, but the method processes images in groups of 2: use a multiple of 2"
    assert lines[0] == f"{odd}:{number}: train.batch: {message}"


def test_check_reports_both_kinds_of_step(
    recipe: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    traced = []

    def trace(engine: Engine, micro: Step) -> dict[str, str]:
        traced.append(len(micro["real_A"]))
        return try_components(engine, micro)

    monkeypatch.setattr("ganzoo.check.parts_table.try_components", trace)
    check(recipe, [*QUIET, "maskers.discriminator=round", "evaluate.metrics=[cycle_l1, style_recovery]"])
    message = capsys.readouterr().out
    assert traced == [2]  # a pair
    assert "measured with 10 steps" in message
    table = {line.split()[0]: line for line in message.splitlines() if line.startswith(" ") and line.strip()}
    assert {"G", "E", "D_content", *CRITICS} <= set(table)
    assert "generator, random" in table["G"]
    assert "3×16×16 → 3, 3" in table["E"] and table["E"].split()[-1] == "generator"
    assert "(the method's own)" in table["D_content"] and table["D_content"].split()[-1] == "content"


def test_a_run_is_resumed_in_the_middle_of_a_round_to_the_same_end(recipe: Path, tmp_path: Path) -> None:
    ganzoo.run(recipe, *QUIET, "train.steps=7", root=tmp_path / "whole")
    ganzoo.run(recipe, *QUIET, "train.steps=4", root=tmp_path / "halved")
    ganzoo.run(recipe, *QUIET, "train.steps=7", root=tmp_path / "halved")
    whole, halved = (everything(tmp_path / name / "tiny/default/checkpoints/last") for name in ("whole", "halved"))
    kept = [name for name in whole if ":sums/" not in name]
    assert [name for name in kept if whole[name] != halved[name]] == []
    averages = {name.partition(":")[0] for name in kept if name.startswith("average/")}
    assert averages == {"average/G.safetensors", "average/E.safetensors"}


@pytest.mark.slow
def test_two_processes_train_as_one(recipe: Path, tmp_path: Path) -> None:
    """Weights, averages, losses and figures after 6 steps in float64: pairs are the same for any even batch."""
    words = ["train.steps=6", "train.log=3", "train.sample=0", "evaluate.every=0", "evaluate.best=null"]
    assert_two_processes_train_as_one(recipe, tmp_path, *words)
