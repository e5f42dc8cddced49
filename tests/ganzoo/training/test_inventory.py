"""``ganzoo runs``: what the list shows, comparisons, and deletions that are safe at any moment."""

from __future__ import annotations

import json
import shutil
from io import StringIO
from pathlib import Path

import pytest
import yaml

from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import BusyError, GanzooError
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.training import pruning
from ganzoo.training.comparison import compare
from ganzoo.training.inventory import disk_size, find_runs, resolve_run, summarize
from ganzoo.training.pruning import plan_keeping, plan_removal, remove, users_of
from ganzoo.training.trackers import final_values
from ganzoo.utils.atomic import lock_file
from ganzoo.utils.jsonl import JsonLines
from ganzoo.utils.sealed import seal_object
from tests.support.command_line import Run, refusal
from tests.support.tiny_run import ganzoo
from tests.support.untrained_runs import write_untrained_run


@pytest.fixture
def root(whole: Path, tmp_path: Path) -> Path:
    """Return a folder with a trained run, tiny/default, that also has a checkpoint step-4."""
    shutil.copytree(whole, tmp_path / "runs/tiny/default")
    checkpoints = tmp_path / "runs/tiny/default/checkpoints"
    shutil.copytree(checkpoints / "last", checkpoints / "step-4")
    return tmp_path / "runs"


def test_the_list_shows_state_steps_values_and_size(root: Path, run: Run) -> None:
    folder = root / "tiny/default"
    summary = summarize(folder, verify=True)
    assert (summary.state, summary.problem, summary.method, summary.step, summary.total) == (
        "finished", "", "cyclegan", 8, 8,
    )  # fmt: skip
    final = next(one for one in JsonLines(folder / "results.jsonl") if one["checkpoint"] == "last")
    assert summary.values == final["values"]
    assert summary.best == {"cycle_l1_AB": read_progress(folder / "checkpoints/last")["best"]}
    assert set(summary.checkpoints) == {"last", "best", "step-4"}
    assert summary.bytes == sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    code, out, _ = run("runs", "--root", root)
    assert code == 0 and "tiny/default  finished  8/8    cyclegan  folders" in out
    assert f"cycle_l1_AB {final['values']['cycle_l1_AB']:.4g}" in out and "1 run, " in out
    code, out, _ = run("runs", "--root", root, "--json", "--verify")
    (listed,) = json.loads(out)
    assert (code, listed["folder"], listed["step"], listed["bytes"]) == (0, str(folder), 8, summary.bytes)


def test_the_values_of_other_evaluations_are_not_those_of_the_run(root: Path) -> None:
    folder = root / "tiny/default"
    before, final = summarize(folder).values, final_values(folder, 8)
    assert final.keys() == {f"final/{one}/{name}" for one in ("last", "best") for name in before}
    assert {name: value for name, value in final.items() if "last" in name} == {
        f"final/last/{name}": value for name, value in before.items()
    }
    evaluate_targets([folder], checkpoint="last", split="train")
    assert summarize(folder).values == before and final_values(folder, 8) == final


def test_the_final_evaluation_of_a_run_is_of_last_and_best_once_each(root: Path, home: Path, run: Run) -> None:
    folder = root / "tiny/default"
    final = final_values(folder, 8)
    evaluate_targets([folder])
    evaluate_targets([folder], checkpoint="step-4")
    code, out, _ = run("run", home / "tiny.yaml", "--root", root)
    assert code == 0 and final_values(folder, 8) == final
    assert [line.split(",")[0] for line in out.splitlines() if " split (" in line] == ["last", "best"]


def test_states_of_runs(root: Path, run: Run) -> None:
    folder = root / "tiny/default"
    with lock_file(folder / ".lock", ""):
        held = ganzoo("runs", "--root", root, "--json")  # another process sees the lock
        assert json.loads(held.stdout)[0]["state"] == "running"
    assert summarize(folder).state == "finished"
    JsonLines(folder / "events.jsonl").append(event="started", step=8, total=20)
    assert (summarize(folder).state, summarize(folder).total) == ("stopped", 20)
    imported = write_untrained_run(root / "other/import", {"method": {"method": "cyclegan"}})
    assert summarize(imported).state == "imported"
    weights = folder / "checkpoints/last/networks/G_AB.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert summarize(folder).state == "stopped" and summarize(folder, verify=True).state == "damaged"
    code, _, err = run("runs", "--root", root, "--verify")
    assert code == 2 and "G_AB.safetensors" in err and "1 of 2 runs are damaged" in err
    (folder / "checkpoints/last/progress.json").write_text("{")
    assert "progress.json" in summarize(folder).problem
    (folder / "resolved.yaml").write_text("")
    assert "resolved.yaml" in summarize(folder).problem
    assert run("runs", "--root", root)[0] == 0  # a damaged run is listed, and is no error of the list


def test_runs_are_found_and_named(root: Path, tmp_path: Path, run: Run) -> None:
    (root / "tiny/.default.removed/checkpoints").mkdir(parents=True)
    (root / "tiny/.default.removed/resolved.yaml").touch()
    (root / "link").symlink_to(root / "tiny")
    assert find_runs(root) == [root / "tiny/default"]
    assert (
        resolve_run(Path("tiny/default"), root) == resolve_run(root / "tiny/default", Path()) == root / "tiny/default"
    )
    assert "did you mean" in refusal(resolve_run, Path("tiny"), root)
    assert "no such run" in refusal(resolve_run, Path("nowhere"), root)
    assert run("runs", "--root", tmp_path / "none")[0] == 2
    (tmp_path / "empty").mkdir()
    code, out, err = run("runs", "--root", tmp_path / "empty")
    assert (code, out) == (0, "") and "no runs below" in err


def test_a_comparison_shows_what_differs(root: Path, run: Run) -> None:
    other = write_untrained_run(root / "other/import", {"method": {"method": "cyclegan", "cycle": 5.0}})
    result = compare([root / "tiny/default", other])
    assert result.settings["method.cycle"] == [10.0, 5.0]
    assert result.settings["train.batch"] == [2, 1] and "method.method" not in result.settings
    assert result.values["cycle_l1_AB"][1] is None
    assert all(len(set(map(str, row))) > 1 for row in result.settings.values())
    code, out, _ = run("runs", "--root", root, "compare", "tiny/default", other)
    assert code == 0 and any(line.split() == ["method.cycle", "10", "5"] for line in out.splitlines())
    fields = json.loads(run("runs", "--root", root, "compare", "tiny/default", other, "--json")[1])
    assert fields["settings"]["method.cycle"] == [10.0, 5.0] and len(fields["runs"]) == 2


def test_keep_deletes_the_other_checkpoints(root: Path, run: Run) -> None:
    folder = root / "tiny/default"
    before = disk_size(folder)
    code, out, err = run("runs", "--root", root, "keep", "tiny/default")
    assert code == 2 and "step-4" in out and "--yes" in err and disk_size(folder) == before
    size = disk_size(folder / "checkpoints/step-4")
    code, out, _ = run("runs", "--root", root, "keep", "tiny/default", "--yes")
    assert code == 0 and sorted(one.name for one in (folder / "checkpoints").iterdir()) == ["best", "last"]
    assert disk_size(folder) == before - size
    assert "nothing to delete" in run("runs", "--root", root, "keep", "tiny/default", "--yes")[1]
    assert "there are: best, last" in refusal(plan_keeping, [folder], ["step-4"])
    _, _, err = run("runs", "--root", root, "keep", "tiny/default", "--best", "--yes")
    assert "cannot be resumed" in err and [one.name for one in (folder / "checkpoints").iterdir()] == ["best"]
    progress = read_progress(folder / "checkpoints/best")
    summary = summarize(folder)
    assert summary.step == progress["step"] > 0 and list(summary.best.values()) == [progress["best"]]


def test_an_interrupted_replacement_does_not_come_back(root: Path) -> None:
    checkpoints = root / "tiny/default/checkpoints"
    (checkpoints / "best").rename(checkpoints / ".best.old")
    shutil.copytree(checkpoints / "step-4", checkpoints / ".step-4.old")
    plan = plan_keeping([root / "tiny/default"], ["last"])
    assert [one.checkpoint for one in plan] == ["best", "step-4"]
    remove(plan)
    assert [one.name for one in checkpoints.iterdir()] == ["last"]


def test_a_kill_while_a_run_is_deleted_leaves_no_half(root: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> None:
    folder, rmtree = root / "tiny/default", shutil.rmtree
    second = shutil.copytree(folder, root / "tiny/second")

    def killed(place: Path, **options: object) -> None:
        if place.is_dir():
            rmtree(place / "checkpoints")
            raise SystemExit

    monkeypatch.setattr(shutil, "rmtree", killed)
    with pytest.raises(SystemExit):
        remove(plan_removal([folder]))
    monkeypatch.undo()
    assert find_runs(root) == [second] and (root / "tiny/.default.removed").is_dir()
    assert run("runs", "--root", root, "rm", "tiny/second", "--yes")[0] == 0
    assert list((root / "tiny").iterdir()) == []


def test_what_is_no_run_or_in_training_is_not_deleted(root: Path, tmp_path: Path) -> None:
    folder = root / "tiny/default"
    second = shutil.copytree(folder, root / "tiny/second")
    before = disk_size(root)
    with lock_file(second / ".lock", ""), pytest.raises(BusyError):
        # a lock of this process counts as well: filelock opens the file anew
        remove(plan_removal([folder, second]))
    assert disk_size(root) == before
    assert "not a run" in refusal(plan_removal, [root / "tiny"])
    assert "not a run" in refusal(plan_removal, [folder / "checkpoints/last"])
    (tmp_path / "link").symlink_to(folder)
    assert "a link" in refusal(plan_removal, [tmp_path / "link"])
    shutil.copytree(second, folder / "inner")
    assert "another run is in it" in refusal(plan_removal, [folder])
    assert disk_size(root) > before


def test_a_file_system_without_locks_deletes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ganzoo.utils.atomic import ProcessLock

    monkeypatch.setattr(pruning, "lock_file", lambda file, busy: ProcessLock(None))
    with pytest.raises(GanzooError, match="cannot be locked"):
        remove(plan_removal([root / "tiny/default"]))
    assert (root / "tiny/default/resolved.yaml").is_file()


def test_runs_and_recipes_that_name_what_is_deleted_are_listed(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    other = {"train": {"start": "runs/tiny/default/checkpoints/step-4"}, "method": {"method": "cyclegan"}}
    (tmp_path / "recipes/next.yaml").write_text(yaml.safe_dump(other))
    (tmp_path / "broken.yaml").write_text("a: [")
    (tmp_path / "prose.yaml").write_text(yaml.safe_dump(["~2 hours", "ends\0", "long " * 99, "a/" * 999]))
    (tmp_path / "words.yaml").write_text(yaml.safe_dump({"a": "~2 hours", "b": "ends\0", "c": "long " * 99}))
    write_untrained_run(
        tmp_path / "runs/mine/run",
        {"method": {"method": "cyclegan"}, "train": {"steps": 1, "start": "runs/tiny/default"}},
    )
    plan = plan_removal([Path("runs/tiny/default")])
    lines = users_of(plan, Path("runs"))
    assert lines == [
        "runs/mine/run names it: train.start: runs/tiny/default",
        "recipes/next.yaml names it: train.start: runs/tiny/default/checkpoints/step-4",
    ]
    keeping = users_of(plan_keeping([Path("runs/tiny/default")], ["last", "best"]), Path("runs"))
    assert keeping == lines[1:]
    step = plan_keeping([Path("runs/tiny/default")], ["step-4"])
    assert users_of(step, Path("runs")) == lines[:1]
    remove([one for one in step if one.checkpoint == "best"])  # now the run's name means last
    assert users_of(plan_keeping([Path("runs/tiny/default")], ["step-4"]), Path("runs")) == lines[:1]
    assert users_of(plan_keeping([Path("runs/tiny/default")], ["last"]), Path("runs")) == lines[1:]
    code, _, err = run("runs", "rm", "tiny/default")
    assert code == 2 and "warning: runs/mine/run names it" in err


def test_a_misspelt_or_damaged_checkpoint_to_keep_deletes_nothing(root: Path, run: Run) -> None:
    checkpoints = root / "tiny/default/checkpoints"
    words = ["runs", "--root", root, "keep", "tiny/default", "--yes"]
    code, _, err = run(*words, "--checkpoint", "last", "--checkpoint", "bset")
    assert code == 2 and "no checkpoint bset; there are: best, last, step-4" in err
    (checkpoints / "last/progress.json").unlink()
    code, _, err = run(*words)
    assert code == 2 and "the checkpoint last is damaged" in err and err.count("\n") == 1
    assert sorted(one.name for one in checkpoints.iterdir()) == ["best", "last", "step-4"]


@pytest.mark.parametrize("name", ["networks/G_AB.safetensors", "optimizers.safetensors", "progress.json"])
def test_no_checkpoint_is_deleted_beside_a_kept_one_that_is_incomplete(root: Path, run: Run, name: str) -> None:
    checkpoints = root / "tiny/default/checkpoints"
    (checkpoints / "last" / name).write_bytes(b"{")
    code, _, err = run("runs", "--root", root, "keep", "tiny/default", "--yes")
    assert code == 2 and "the checkpoint last is damaged, so the others are not deleted" in err
    assert name in err and err.count("\n") == 1
    assert sorted(one.name for one in checkpoints.iterdir()) == ["best", "last", "step-4"]
    code, _, _ = run("runs", "--root", root, "keep", "tiny/default", "--checkpoint", "step-4", "--yes")
    assert code == 0 and [one.name for one in checkpoints.iterdir()] == ["step-4"]


def test_a_run_is_deleted_from_within_and_however_often_it_is_named(
    root: Path, monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    folder = root / "tiny/default"
    second = shutil.copytree(folder, root / "tiny/second")
    code, out, _ = run("runs", "--root", root, "rm", "tiny/second", second, "--yes")
    assert code == 0 and out.count("tiny/second") == 1 and find_runs(root) == [folder]
    monkeypatch.chdir(folder)
    code, out, _ = run("runs", "rm", ".", "--yes")
    assert code == 0 and str(folder) in out and find_runs(root) == []


@pytest.mark.parametrize("command", ["rm", "keep"])
def test_a_no_and_a_closed_input_delete_nothing(
    root: Path, monkeypatch: pytest.MonkeyPatch, run: Run, command: str
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    code, out, err = run("runs", "--root", root, command, "tiny/default")
    assert code == 0 and out.endswith("nothing is deleted\n") and err == ""
    monkeypatch.setattr("sys.stdin", None)
    code, _, err = run("runs", "--root", root, command, "tiny/default")
    assert code == 2 and err.startswith("ganzoo: nothing is deleted without a yes: add --yes")
    monkeypatch.setattr("sys.stdout", None)
    assert run("runs", "--root", root)[0] == 0
    assert (root / "tiny/default/checkpoints/step-4").is_dir()


def test_a_checkpoint_without_its_step_is_damaged(root: Path) -> None:
    (root / "tiny/default/checkpoints/last/progress.json").write_text(seal_object({"best": 1.0}))
    assert summarize(root / "tiny/default").state == "damaged"
