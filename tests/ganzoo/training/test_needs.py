"""What a recipe needs is made first: other runs, resumed if they were stopped, and folders that commands write."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

import pytest
import yaml

import ganzoo as package
from ganzoo.errors import GanzooError
from ganzoo.training.needs import make_needs, missing_needs
from ganzoo.training.run import Run
from tests.support.command_line import Command
from tests.support.killed_runs import train_until
from tests.support.tiny_run import lines, write_recipe
from tests.support.torchrun import two_processes

SEGMENTER: dict[str, Any] = {
    "method": "segmenter",
    "networks": {"S": {"masker": "unet", "width": 2, "depth": 1}},
    "data": {"dataset": "striped_digits"},
    "images": {"size": 16},
    "train": {"steps": 4, "batch": 2, "save": 2},
}
DIGITS = "data={dataset: striped_digits}"
MASKED = {"discriminator": {"masker": "unet", "weights": "runs/segmenter/default"}}


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A recipe that needs a segmenter's run, in the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "segmenter.yaml").write_text(yaml.safe_dump(SEGMENTER))
    return add_needs(write_recipe(tmp_path, maskers=MASKED), {"runs/segmenter/default": "segmenter.yaml"})


def add_needs(file: Path, needs: dict[str, Any]) -> Path:
    file.write_text(file.read_text() + yaml.safe_dump({"needs": needs}))
    return file


def test_a_missing_run_is_announced_and_trained_first_and_then_used(command: Command, recipe: Path) -> None:
    done = command("run", recipe, "train.steps=2", "evaluate.every=0", "evaluate.best=null")
    assert done.returncode == 0, done.stderr
    line = f"{recipe} needs runs/segmenter/default: the recipe {recipe.parent}/segmenter.yaml makes it first"
    assert done.stdout.splitlines()[0] == line
    assert Path("runs/segmenter/default/checkpoints/last").is_dir() and Path("runs/tiny/default").is_dir()
    again = command("run", recipe, "train.steps=3", "evaluate.every=0", "evaluate.best=null")
    assert again.returncode == 0 and "makes it first" not in again.stdout


@pytest.mark.slow
def test_two_processes_train_what_is_needed_and_then_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    short: dict[str, Any] = {"evaluate": {"every": 0, "best": None, "metrics": []}}
    write_recipe(tmp_path, "first", train={"steps": 1}, **short)
    recipe = write_recipe(tmp_path, train={"steps": 1, "start": "runs/first/default"}, **short)
    done = two_processes("-m", "ganzoo", "run", add_needs(recipe, {"runs/first/default": "first.yaml"}))
    assert done.returncode == 0, done.stderr
    for run in ("first", "tiny"):
        events = [one["event"] for one in lines(Path(f"runs/{run}/default/events.jsonl"))]
        assert events[-1] == "finished"


def test_a_finished_run_stays_finished_when_a_callback_writes_an_event_at_its_end(recipe: Path) -> None:
    make_needs(recipe)
    log = Path("runs/segmenter/default/events.jsonl")
    log.write_text(log.read_text() + '{"event": "counted", "step": 4}\n')
    assert missing_needs(recipe) == []
    log.write_text(log.read_text() + '{"event": "started"}\n{"event": "stopped", "step": 5}\n')
    assert [need.path for need in missing_needs(recipe)] == [Path("runs/segmenter/default")]


def test_a_needed_run_that_was_stopped_is_resumed(recipe: Path) -> None:
    train_until(Run.prepare("segmenter.yaml"), 2)
    make_needs(recipe)
    events = lines(Path("runs/segmenter/default/events.jsonl"))
    assert [one["step"] for one in events if one["event"] == "resumed"] == [2]


def test_check_says_what_would_be_made_and_makes_nothing(command: Command, recipe: Path) -> None:
    done = command("check", recipe)
    assert done.returncode == 5, (done.stdout, done.stderr)
    assert f"{recipe} needs runs/segmenter/default; ganzoo run makes it first, by the recipe" in done.stdout
    assert not Path("runs").exists()


def test_what_is_there_is_used_though_the_recipe_lacks_a_value_to_make_it(command: Command, recipe: Path) -> None:
    """A recipe refers to ``{data.root}``, and is given two folders, and a segmenter that was trained before."""
    package.run("segmenter.yaml", root="runs")
    needs = {"runs/segmenter/default": {"recipe": "segmenter.yaml", "set": ["data.A={data.root}/trainB"]}}
    recipe.write_text(yaml.safe_dump({**yaml.safe_load(recipe.read_text()), "needs": needs}))
    root = yaml.safe_load(recipe.read_text())["data"]["root"]
    words = (recipe, f"data.A={root}/trainA", f"data.B={root}/trainB", "train.steps=1")
    ends = ("evaluate.every=0", "evaluate.best=null")
    done = command("run", *words, *ends)
    assert done.returncode == 0, done.stderr
    shutil.rmtree("runs")
    for name, code in (("run", 2), ("check", 2)):
        done = command(name, *words, *ends)
        assert (done.returncode, done.stderr.count("\n"), Path("runs").exists()) == (code, 1, False)
        assert "needs.runs/segmenter/default: it refers to {data.root}, which the recipe does not set" in done.stderr


def test_recipes_that_need_each_other_are_refused(recipe: Path) -> None:
    other = {**SEGMENTER, "train": {"steps": 1, "batch": 2}, "x": "runs/tiny/default"}
    Path("segmenter.yaml").write_text(yaml.safe_dump({**other, "needs": {"runs/tiny/default": "tiny.yaml"}}))
    with pytest.raises(GanzooError, match=r"recipes that need each other: tiny\.yaml → segmenter\.yaml → tiny\.yaml"):
        make_needs(recipe)


class TestCommands:
    NEEDS: ClassVar[dict[str, Any]] = {
        "banks/b": {"command": "bank build --data '{dataset: striped_digits}' --size 16 --scales '[[4,4]]' --limit 8"}
    }

    @pytest.fixture
    def art(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        monkeypatch.chdir(tmp_path)
        method = {"method": "art2real", "bank": "banks/b"}
        return add_needs(write_recipe(tmp_path, "art", method=method), self.NEEDS)

    def test_a_bank_is_built_from_the_data_set(self, art: Path) -> None:
        make_needs(art)
        before = Path("banks/b/manifest.json").stat().st_mtime_ns
        make_needs(art)
        assert Path("banks/b/manifest.json").stat().st_mtime_ns == before

    def test_only_commands_of_plugins_run(self, art: Path) -> None:
        art.write_text(art.read_text().replace("bank build", "translate"))
        with pytest.raises(GanzooError, match=r"needs\.banks/b: 'translate' is not a command of a plugin; there are"):
            make_needs(art)

    def test_a_wrong_option_is_one_line(self, command: Command, art: Path) -> None:
        art.write_text(art.read_text().replace("--limit 8", "--limits 8"))
        done = command("run", art)
        assert done.returncode == 2
        assert done.stderr.count("\n") == 1 and "No such option" in done.stderr and "--limits" in done.stderr


def test_the_demo_has_a_name_of_its_own(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, evaluate={"every": 0, "best": None, "metrics": []})
    recipe.write_text(recipe.read_text() + yaml.safe_dump({"demo": {"train": {"steps": 1}}}))
    package.run(recipe, root=tmp_path / "runs", demo=True)
    assert [path.name for path in (tmp_path / "runs/tiny").iterdir()] == ["demo"]
    resolved = yaml.safe_load((tmp_path / "runs/tiny/demo/resolved.yaml").read_text())
    assert resolved["train"]["steps"] == 1 and "demo" not in resolved
