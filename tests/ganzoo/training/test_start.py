"""train.start: a run begins with the networks of another run or of an import, and says which."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import ganzoo as package
from ganzoo.engine.start import load_start
from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.provenance.record import read_records
from ganzoo.training.run import Run
from tests.support.command_line import Run as Command
from tests.support.command_line import refusal
from tests.support.killed_runs import train_until
from tests.support.tiny_run import RECIPE, lines, write_recipe
from tests.support.untrained_runs import write_untrained_run

SMALL: dict[str, Any] = {
    "train": {"steps": 2, "save": 1, "decay": 0},
    "evaluate": {"metrics": [], "every": 0, "best": None},
}


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run of four steps with averages and a better checkpoint."""
    folder = tmp_path_factory.mktemp("earlier")
    package.run(write_recipe(folder, train={"steps": 4, "keep": 2}), root=folder)
    return folder / "tiny/default"


def weights(checkpoint: Path, slot: str, part: str = "networks") -> dict[str, torch.Tensor]:
    return load_file(checkpoint / part / f"{slot}.safetensors")


def assert_begins_with(run: Run, checkpoint: Path, *slots: str) -> None:
    for slot in slots:
        part = "average" if (checkpoint / f"average/{slot}.safetensors").is_file() else "networks"
        saved, own = weights(checkpoint, slot, part), run.engine.networks[slot].state_dict()
        assert all(torch.equal(own[name], one) for name, one in saved.items())


def test_a_run_begins_with_the_networks_of_another(earlier: Path, tmp_path: Path) -> None:
    run = Run.prepare(write_recipe(tmp_path, **SMALL), [f"train.start={earlier}"], root=tmp_path)
    assert_begins_with(run, earlier / "checkpoints/best", "G_AB", "G_BA", "D_A", "D_B")
    assert run.start is not None and run.engine.average is not None
    for slot, average in run.engine.average.networks.items():  # the averages begin from the same weights
        own = run.engine.networks[slot].state_dict()
        assert all(torch.equal(own[name], one) for name, one in average.state_dict().items())
    assert f"train.start: {earlier}/checkpoints/best, step " in str(run.start)
    assert str(run.start).endswith(": begins with G_AB, G_BA, D_A, D_B")


def test_a_checkpoint_is_named(earlier: Path, tmp_path: Path) -> None:
    start = earlier / "checkpoints/step-2"
    run = Run.prepare(write_recipe(tmp_path, **SMALL), [f"train.start={start}"], root=tmp_path)
    assert_begins_with(run, start, "G_AB", "D_B")
    assert run.start is not None and run.start.step == 2


def test_new_networks_and_those_that_do_not_fit_are_named(earlier: Path, tmp_path: Path, run: Command) -> None:
    """Here one discriminator is larger, and the method has networks of its own."""
    recipe = write_recipe(tmp_path, **SMALL)
    words = [f"train.start={earlier}", "method.without=[gan_BA]", "networks.D_B.width=3"]
    code, out, err = run("run", recipe, *words, "--root", tmp_path)
    assert code == 0, err
    line = next(one for one in out.splitlines() if one.startswith("train.start: "))
    assert line.endswith(
        "begins with G_AB, G_BA; D_B does not fit, so it is new (model.0.weight is 2×3×4×4 in the file and 3×3×4×4 in "
        "the network); not used: D_A"
    )
    events = lines(tmp_path / "tiny/default/events.jsonl")
    begins = next(one for one in events if one["event"] == "begins-with")
    assert begins["networks"] == ["G_AB", "G_BA"] and begins["checkpoint"].endswith("checkpoints/best")
    shutil.rmtree(tmp_path / "tiny")
    masked = {"method": {"method": "mask_cyclegan"}, "maskers": {"input": {"masker": "full"}}, **SMALL}
    _, out, _ = run("run", write_recipe(tmp_path, "masked", **masked), words[0], "method.pool=2", "--root", tmp_path)
    assert "begins with G_AB, G_BA, D_A, D_B; new: D_masked_A, D_masked_B, E_AB, E_BA" in out
    _, out, _ = run("check", recipe, words[0], "--quick")
    assert "begins with G_AB, G_BA, D_A, D_B\n" in out


def test_a_resumed_run_does_not_read_it_again(
    earlier: Path, tmp_path: Path, run: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    start = Path(shutil.copytree(earlier, tmp_path / "theirs"))
    recipe, words = write_recipe(tmp_path, **SMALL), [f"train.start={start}"]
    prepared = Run.prepare(recipe, words, root=tmp_path)
    assert prepared.start is not None
    key = prepared.start.key
    train_until(prepared, 1)
    shutil.rmtree(start)
    assert "begins with" in capsys.readouterr().out
    code, out, err = run("run", recipe, *words, "--root", tmp_path)
    assert code == 0 and "resumed from step 1" in out and "begins with" not in out, err
    whole = package.run(recipe, f"train.start={earlier}", name="whole", root=tmp_path)
    assert whole == {}
    for slot in ("G_AB", "D_A"):
        one, other = (weights(tmp_path / f"tiny/{name}/checkpoints/last", slot) for name in ("default", "whole"))
        assert all(torch.equal(one[name], other[name]) for name in one)
    for name in ("default", "whole"):
        (session,) = json.loads((tmp_path / f"tiny/{name}/checkpoints/last/progress.json").read_text())["sessions"]
        assert session["sources"] == {"train.start": key}
    code, _, err = run("run", recipe, "--root", tmp_path)
    assert code == 3 and f"train.start: {start} → None" in err


def test_a_run_of_no_steps_measures_the_networks_as_they_are(earlier: Path, tmp_path: Path, run: Command) -> None:
    metrics = {"metrics": ["cycle_l1"], "every": 0, "best": None}
    recipe = write_recipe(tmp_path, train={"steps": 0}, evaluate=metrics)
    values = package.run(recipe, f"train.start={earlier}", root=tmp_path)
    code, _, err = run("evaluate", earlier, "--checkpoint", "best", "--metric", "cycle_l1")
    assert code == 0, err
    assert values and values == read_records(earlier / "results.jsonl")[-1].values


def test_a_run_of_no_steps_needs_all_networks_that_translate(earlier: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, **{**SMALL, "train": {"steps": 0}})
    larger = [f"train.start={earlier}", "networks.D_B.width=3"]
    assert Run.prepare(recipe, larger, root=tmp_path).start is not None
    message = refusal(Run.prepare, recipe, [*larger, "networks.G_BA.width=3"], root=tmp_path)
    assert "it has no G_BA that fits, and a run of no steps would measure new networks" in message


def test_without_it_nothing_changes(tmp_path: Path) -> None:
    run = Run.prepare(write_recipe(tmp_path, **SMALL), root=tmp_path)
    assert run.start is None and "start" not in run.settings["train"]


def test_the_recipe_of_an_import_says_that_it_begins_anew(tmp_path: Path, run: Command) -> None:
    networks = {section: RECIPE[section] for section in ("method", "networks", "images")}
    theirs = write_untrained_run(tmp_path / "theirs", networks)
    write_recipe(tmp_path)
    words = [f"data.root={tmp_path}/images", "--root", tmp_path]
    code, out, err = run("run", theirs / "resolved.yaml", *words)
    assert code == 0, err
    assert (
        f"{theirs}/resolved.yaml: it describes imported networks, but this run begins with new ones; "
        f"train.start={theirs} begins with the imported ones\n" in out
    )
    own = tmp_path / "own.yaml"
    own.write_text("base: theirs/resolved.yaml\n")
    _, out, _ = run("run", own, *words)
    assert f"{theirs}/resolved.yaml: it describes imported networks, but" in out
    code, out, err = run("run", theirs / "resolved.yaml", f"train.start={theirs}", *words, "--name", "second")
    assert code == 0 and "begins with G_AB, G_BA, D_A, D_B" in out and "new ones" not in out, err
    again = tmp_path / "resolved/second"
    code, out, _ = run("run", again / "resolved.yaml", *words, "--name", "third")
    assert code == 0 and "imported networks" not in out  # that of a training reproduces it, from the same start


def test_wrong_starts_are_one_line_and_make_no_folder(earlier: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, **SMALL)

    def refused(start: object, *words: str) -> str:
        message = refusal(Run.prepare, recipe, [f"train.start={start}", *words], root=tmp_path / "runs")
        assert not (tmp_path / "runs").exists()
        return message

    assert (
        refused(tmp_path / "no")
        == f"train.start: {tmp_path}/no: no run, and no checkpoint of one (RUN/checkpoints/NAME)"
    )
    assert "there is no checkpoint step-9; there are: best, last" in refused(earlier / "checkpoints/step-9")
    assert "train.start: start is 3" in refused(3)
    larger = "no network of this recipe (G_AB, G_BA, D_A, D_B): none fits (G_AB: model.1.weight is 2×3×7×7 in the file"
    assert larger in refused(earlier, "networks.G.width=3", "networks.D.width=3")
    other = write_untrained_run(
        tmp_path / "munit", {"method": "munit", "networks": {"G": {"generator": "munit", "width": 2}}}
    )
    for slot in ("D_A", "D_B"):
        (other / f"checkpoints/last/networks/{slot}.safetensors").unlink()
    assert "(G_AB, G_BA, D_A, D_B): it has G_A, G_B" in refused(other)
    damaged = Path(shutil.copytree(earlier, tmp_path / "damaged"))
    (damaged / "checkpoints/best/networks/D_A.safetensors").write_bytes(b"x")
    assert "D_A.safetensors: " in refused(damaged)
    untrained = "the method has nothing to train: remove it"
    assert untrained in refused(earlier, "method={method: untranslated}", "networks=null", "train.steps=0")
    with pytest.raises(MissingResourceError):
        Run.prepare(recipe, [f"train.start={tmp_path}/no"], root=tmp_path / "runs")


def test_a_checkpoint_that_is_being_written_is_refused(
    earlier: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Run.prepare(write_recipe(tmp_path, **SMALL), root=tmp_path)
    keys = iter(["before", "after"])
    monkeypatch.setattr("ganzoo.engine.start.weights_key", lambda _: next(keys))
    with pytest.raises(GanzooError, match="its run is writing it at this moment"):
        load_start(earlier, run.engine)
