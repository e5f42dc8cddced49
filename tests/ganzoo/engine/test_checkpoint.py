"""Checkpoints are complete or absent, restore training exactly, and report what is wrong with a file."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from ganzoo.engine.checkpoint import load_checkpoint, load_network, save_checkpoint
from ganzoo.engine.checkpoint_files import read_progress, read_unchanged, repair_checkpoint, write_progress
from ganzoo.engine.engine import Engine
from ganzoo.engine.precision import LossScale
from ganzoo.errors import DamagedError, GanzooError, MissingResourceError
from tests.support.stand_in_methods import TwoPlayers, batch_step, engine_of, weights
from tests.support.untrained_runs import renew_checksums


def trained(steps: int = 2, **options: Any) -> Engine:
    engine = engine_of(TwoPlayers(), **options)
    for index in range(steps):
        engine.step([batch_step(index=index, seed=index)])
    return engine


def test_a_round_trip_is_exact(tmp_path: Path) -> None:
    engine = trained(ema=0.9)
    sums = {"generator/adv": torch.tensor(1 / 3, dtype=torch.float64)}
    save_checkpoint(tmp_path / "last", engine, {"step": 2, "best": 0.1}, sums)
    other = engine_of(TwoPlayers(), ema=0.9)
    progress, restored = load_checkpoint(tmp_path / "last", other)
    assert (progress["step"], progress["best"]) == (2, 0.1)
    assert torch.equal(restored["generator/adv"], sums["generator/adv"])
    for one in (engine, other):
        one.step([batch_step(index=2, seed=2)])
    expected, resumed = weights(engine), weights(other)
    assert all(torch.equal(expected[name], resumed[name]) for name in expected)
    assert engine.average is not None and other.average is not None
    assert torch.equal(*(next(one.average.networks["G"].parameters()) for one in (engine, other) if one.average))


def test_the_loss_scale_and_its_count_are_saved(tmp_path: Path) -> None:
    engine, other = trained(), engine_of(TwoPlayers())
    for one in (engine, other):
        one.scale = LossScale(torch.device("cpu"), enabled=True)
    for overflow in (1.0, 0.0, 0.0):
        engine.scale.update(torch.tensor(overflow))
    save_checkpoint(tmp_path / "last", engine, {"step": 2}, {})
    assert engine.scale.state_dict() != other.scale.state_dict()
    load_checkpoint(tmp_path / "last", other)
    assert engine.scale.state_dict() == other.scale.state_dict()
    assert engine.scale.state_dict()["good"] == 2


def test_the_states_of_several_processes_are_merged_when_a_step_is_divided_otherwise(tmp_path: Path) -> None:
    """Pools have other positions in each process; sums of the log are averaged."""
    engine = trained()
    partition = {"step": 2, "partition": [2, 1, 1]}
    save_checkpoint(tmp_path / "last", engine, partition, {"g": torch.tensor(2.0), "#g": torch.tensor(3.0)})
    second = {"sums/g": torch.tensor(4.0), "sums/#g": torch.tensor(3.0), "method/A.1.0": torch.zeros(1)}
    save_file(second, tmp_path / "last/process-1.safetensors")
    assert "process-1.safetensors" not in read_progress(tmp_path / "last")["files"]
    renew_checksums(tmp_path / "last")
    seen: list[set[str]] = []
    engine.method.load_state_dict = lambda state: seen.append(set(state))  # type: ignore[method-assign]
    _, same = load_checkpoint(tmp_path / "last", engine, [2, 1, 1])
    _, other = load_checkpoint(tmp_path / "last", engine, [1, 2, 1])
    assert seen == [set(), {"A.1.0"}]
    assert {name: float(value) for name, value in same.items()} == {"g": 2.0, "#g": 3.0}
    assert {name: float(value) for name, value in other.items()} == {"g": 3.0, "#g": 3.0}
    (tmp_path / "last/process-1.safetensors").write_bytes(b"")
    load_checkpoint(tmp_path / "last", engine, [2, 1, 1])
    with pytest.raises(DamagedError, match=r"process-1\.safetensors: damaged: its content is not what its checksum"):
        load_checkpoint(tmp_path / "last", engine, [1, 2, 1])


def test_no_file_of_a_checkpoint_is_a_pickle(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", trained(), {"step": 2}, {})
    assert {file.suffix for file in tmp_path.rglob("*") if file.is_file()} == {".safetensors", ".json"}


@pytest.mark.parametrize("fails", ["write", "fsync"])
def test_a_full_disk_leaves_the_old_checkpoint_unchanged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    engine = trained(1)
    save_checkpoint(tmp_path / "last", engine, {"step": 1}, {})
    before = {file: file.read_bytes() for file in (tmp_path / "last").rglob("*") if file.is_file()}

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if fails == "write":
        monkeypatch.setattr("ganzoo.engine.checkpoint.write_tensors", full)
    else:
        monkeypatch.setattr("ganzoo.utils.atomic.os.fsync", full)
    with pytest.raises(GanzooError, match=r"last: .*written: No space left .* previous one is complete"):
        save_checkpoint(tmp_path / "last", engine, {"step": 2}, {})
    assert {file: file.read_bytes() for file in (tmp_path / "last").rglob("*") if file.is_file()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.parametrize("renames", [0, 1])
def test_a_kill_between_the_renames_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, renames: int
) -> None:
    engine = trained(1)
    save_checkpoint(tmp_path / "last", engine, {"step": 1}, {})
    rename = Path.rename
    done: list[Path] = []

    def dying(self: Path, target: Path) -> Path:
        if len(done) == renames:
            raise SystemExit
        done.append(target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", dying)
    with pytest.raises(SystemExit):
        save_checkpoint(tmp_path / "last", engine, {"step": 2}, {})
    monkeypatch.undo()
    repaired = repair_checkpoint(tmp_path / "last")
    assert repaired is not None
    assert read_progress(repaired)["step"] == 1
    save_checkpoint(tmp_path / "last", engine, {"step": 3}, {})
    assert read_progress(tmp_path / "last")["step"] == 3
    assert [path.name for path in tmp_path.iterdir()] == ["last"]


@pytest.mark.skipif(sys.platform != "linux", reason="it reads the paths of open files in /proc")
def test_files_and_folders_are_on_the_disk_before_and_after_the_renames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def record_fsync(opened: int) -> None:
        done.append(os.path.relpath(os.readlink(f"/proc/self/fd/{opened}"), tmp_path))
        fsync(opened)

    def record_rename(self: Path, target: Path) -> Path:
        done.append(f"{self.name} becomes {target.name}")
        return rename(self, target)

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(Path, "rename", record_rename)
    save_checkpoint(tmp_path / "last", trained(ema=0.9), {"step": 1}, {})
    place = done.index(".last.new becomes last")
    folders = [".last.new", ".last.new/networks", ".last.new/average"]
    files = [f".last.new/{file.relative_to(tmp_path / 'last')}" for file in (tmp_path / "last").rglob("*.*")]
    assert sorted(done[:place]) == sorted(folders + files)
    assert set(done[place - 3 : place]) == set(folders)
    assert done[place + 1 :] == ["."]


@pytest.mark.skipif(sys.platform == "win32", reason="there files have no such permissions")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o007, 0o660), (0o077, 0o600)])
def test_permissions_follow_the_umask(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        save_checkpoint(tmp_path / "last", trained(1), {"step": 1}, {})
    finally:
        os.umask(before)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.rglob("*.*") if file.is_file()} == {mode}


def test_a_checkpoint_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", trained(1), {"step": 1}, {})
    (tmp_path / "last/progress.json").write_text('{"step": 1, "channels": {}}')
    with pytest.raises(DamagedError, match=r"progress\.json: damaged: it has no checksum \(an earlier version"):
        read_progress(tmp_path / "last")


@pytest.mark.parametrize("fields", [{}, {"step": "1"}, {"step": -1}, {"step": 1, "channels": [3]}, {"step": True}])
def test_progress_of_another_form_is_refused(tmp_path: Path, fields: dict[str, Any]) -> None:
    (tmp_path / "last").mkdir()
    write_progress(tmp_path / "last", fields, {})
    with pytest.raises(DamagedError, match=r"progress\.json: damaged: it does not hold the progress of a checkpoint"):
        read_progress(tmp_path / "last")


def test_a_checkpoint_that_is_replaced_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    engine, steps = trained(1), iter((2, 3))
    save_checkpoint(tmp_path / "last", engine, {"step": 1}, {})

    def read(place: Path, progress: Mapping[str, Any]) -> int:
        if step := next(steps, 0):
            engine.step([batch_step(index=step, seed=step)])
            save_checkpoint(tmp_path / "last", engine, {"step": step}, {})
        return int(progress["step"])

    assert read_unchanged(lambda: tmp_path / "last", read) == 3


def test_an_error_while_a_checkpoint_is_replaced_is_not_final(tmp_path: Path) -> None:
    """Its networks may seem to be missing between the renames."""
    engine, steps = trained(1), iter((2,))
    save_checkpoint(tmp_path / "last", engine, {"step": 1}, {})

    def read(place: Path, progress: Mapping[str, Any]) -> int:
        if step := next(steps, 0):
            save_checkpoint(tmp_path / "last", engine, {"step": step}, {})
        if progress["step"] == 1:
            raise MissingResourceError("it lacks G")
        return int(progress["step"])

    assert read_unchanged(lambda: tmp_path / "last", read) == 2


def test_weights_of_another_architecture_are_reported(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", trained(1), {"step": 1}, {})
    file = tmp_path / "last/networks/G.safetensors"
    with pytest.raises(
        GanzooError, match=r"G\.safetensors: .*: weight is 3×3×1×1 in the file and 5×3×1×1 in the network"
    ):
        load_network(nn.Conv2d(3, 5, 1), file)
    with pytest.raises(GanzooError, match="bias is 3 in the file and missing in the network"):
        load_network(nn.Conv2d(3, 3, 1, bias=False), file)


def test_damaged_files_are_reported(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "last", trained(1), {"step": 1}, {})
    (tmp_path / "last/networks/G.safetensors").write_bytes(b"\x00" * 20)
    with pytest.raises(GanzooError, match=r"G\.safetensors: damaged: its content is not .* no other checkpoint"):
        load_checkpoint(tmp_path / "last", engine_of(TwoPlayers()))
    (tmp_path / "last/progress.json").write_text("{")
    with pytest.raises(GanzooError, match=r"progress\.json: damaged: it does not hold the progress of a checkpoint"):
        read_progress(tmp_path / "last")
