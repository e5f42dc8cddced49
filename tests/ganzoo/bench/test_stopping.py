"""The processes of ganzoo bench: what each is given, one bench of a table at a time, and how it is stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganzoo.bench import runner
from ganzoo.bench.spec import Bench, Places, read_spec
from ganzoo.utils.atomic import lock_file
from ganzoo.utils.jsonl import JsonLines
from tests.support.bench_records import Runs, replace_run_command, write_spec
from tests.support.command_line import refusal
from tests.support.tiny_run import write_recipe


def spec(folder: Path, steps: int = 2) -> Bench:
    write_recipe(folder, evaluate={"every": 0, "best": None})
    return read_spec(write_spec(folder, set=[f"train.steps={steps}"]))


def test_two_benches_of_a_table_do_not_write_over_each_other(
    tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    bench = spec(tmp_path)
    runner.run(bench, Places(tmp_path / "runs"), jobs=1)
    (file,) = (tmp_path / "cache/benches").iterdir()
    del runs.names[:]
    with lock_file(file, ""):
        said = refusal(runner.run, bench, Places(tmp_path / "elsewhere"), jobs=1)
    assert "another process is running this table" in said
    assert not runs.names


def test_each_job_has_one_of_the_devices_that_this_process_sees_and_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def devices(jobs: int) -> list[str]:
        return [one.get("CUDA_VISIBLE_DEVICES", "") for one in runner.job_environments(jobs)]

    monkeypatch.setattr("os.cpu_count", lambda: 8)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert [one.get("OMP_NUM_THREADS") for one in [*runner.job_environments(3), *runner.job_environments(1)]] == [
        *"222",
        None,
    ]
    assert runner.job_environments(9)[0]["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert "OMP_NUM_THREADS" not in runner.job_environments(3)[0]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert devices(3) == ["0", "1", "0"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-a, 5")
    assert devices(3) == ["GPU-a", "5", "GPU-a"]
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert devices(2) == ["", ""]


def test_one_that_is_ended_by_itself_is_a_failure_and_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {"one-seed0": -signal.SIGSEGV, "two-seed0": -signal.SIGKILL}

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, codes.get(words[words.index("--name") + 1], 2), "", "")

    replace_run_command(monkeypatch, call)
    whys = [one.why for one in runner.run(spec(tmp_path), Places(tmp_path / "runs"), jobs=2)]
    assert whys[0] == "it was ended by SIGSEGV"
    assert whys[2] == "it was ended by SIGKILL"
    assert len(whys) == 4
    codes["one-seed1"] = -signal.SIGTERM
    before = (tmp_path / "spec.jsonl").read_bytes()
    assert "stopped by a signal" in refusal(runner.run, spec(tmp_path), Places(tmp_path / "runs"), jobs=1)
    assert len(before.splitlines()) == 4
    busy = "ganzoo: runs/x: another process is training this run; wait for it, or give --name\n"
    replace_run_command(monkeypatch, lambda *_: subprocess.CompletedProcess([], 4, "", busy))
    assert "another process is training this run" in refusal(
        runner.run, spec(tmp_path), Places(tmp_path / "runs"), jobs=1
    )


def test_what_is_asked_to_stop_while_it_prepares_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[subprocess.Popen[str]] = []

    def interrupted(self: subprocess.Popen[str], *rest: object) -> None:
        started.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    children = runner.ChildProcesses()
    with pytest.raises(KeyboardInterrupt):
        children.run(["plugins"], dict(os.environ))
    assert started[0].returncode is not None
    children.stop_all()
    assert "stopped" in refusal(children.run, ["plugins"], dict(os.environ))
    assert len(started) == 1


def test_asked_to_stop_a_bench_stops_its_runs_and_begins_no_other(tmp_path: Path) -> None:
    """In processes of its own, as signals are the process's."""
    bench = spec(tmp_path, steps=100_000)
    command = [sys.executable, "-m", "ganzoo", "bench", str(bench.file), "--root", str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as bench_process:
        log = tmp_path / "runs/spec/tiny/one-seed0/metrics.jsonl"
        for _ in range(600):
            if len([*JsonLines(log)]) > 1 or bench_process.poll() is not None:
                break
            time.sleep(0.1)
        bench_process.terminate()
        assert bench_process.wait(60) == 130
    assert not bench.records.exists()
    assert not (tmp_path / "runs/spec/tiny/two-seed0").exists()
    events = [one["event"] for one in JsonLines(log.with_name("events.jsonl"))]
    assert events[-1] == "stopped"  # saved, as the run was asked to
