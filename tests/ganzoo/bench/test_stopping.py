"""The processes of ganzoo bench: their devices and cores, one process for each table, and how they are stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ganzoo.bench import runner
from ganzoo.bench.children import ChildProcesses
from ganzoo.bench.spec import Bench, Places, read_spec
from ganzoo.engine.checkpoint_files import read_progress
from ganzoo.errors import BusyError
from ganzoo.utils.atomic import ProcessLock, lock_file
from ganzoo.utils.console import Console
from ganzoo.utils.jsonl import JsonLines
from tests.support.bench_records import Runs, replace_run_command, write_spec
from tests.support.command_line import refusal
from tests.support.tiny_run import write_recipe


def spec(folder: Path, steps: int = 2) -> Bench:
    write_recipe(folder, evaluate={"every": 0, "best": None})
    return read_spec(write_spec(folder, set=[f"train.steps={steps}"]))


def test_a_second_bench_of_a_table_is_refused(tmp_path: Path, runs: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    bench = spec(tmp_path)
    runner.run(bench, Places(tmp_path / "runs"), jobs=1)
    (file,) = (tmp_path / "cache/benches").glob("*.lock")
    del runs.names[:]
    with lock_file(file, ""):
        error = refusal(runner.run, bench, Places(tmp_path / "elsewhere"), jobs=1)
    assert "another process is running this table" in error
    assert not runs.names


def test_each_job_gets_a_visible_device_and_a_share_of_the_cores(
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


def test_a_run_that_crashes_is_a_failure_and_stops_no_other_run(
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
    replace_run_command(monkeypatch, lambda *_: subprocess.CompletedProcess([], BusyError.exit_code, "", busy))
    assert "another process is training this run" in refusal(
        runner.run, spec(tmp_path), Places(tmp_path / "runs"), jobs=1
    )


def test_a_preparation_that_another_process_makes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    codes = [BusyError.exit_code, BusyError.exit_code, 0]
    write_recipe(tmp_path)
    bench = read_spec(write_spec(tmp_path, prepare={"bank": {"command": "bank build", "makes": "{root}/bank"}}))
    waiting = "spec: preparing bank: another process does it already; waiting for it\n"
    monkeypatch.setattr(runner, "PAUSE", 0)

    def call(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, codes.pop(0), "", "ganzoo: busy")

    runner.prepare(bench, Places(tmp_path / "runs"), call, Console())
    assert capsys.readouterr().out == f"spec: preparing bank\n{waiting}"
    held: list[ProcessLock] = []
    other = threading.Thread(target=lambda: held.append(lock_file(tmp_path / "runs/spec/.bank.made.lock", "")))
    other.start()
    other.join()
    threading.Timer(0.5, held[0].release).start()
    codes.append(0)
    runner.prepare(bench, Places(tmp_path / "runs"), call, Console())
    assert capsys.readouterr().out == f"{waiting}spec: preparing bank\n" and not codes


def test_a_command_is_terminated_by_an_interrupt_and_none_starts_after_stop_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[str]] = []

    def interrupted(self: subprocess.Popen[str], *rest: object) -> None:
        started.append(self)
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess.Popen, "communicate", interrupted)
    children = ChildProcesses()
    with pytest.raises(KeyboardInterrupt):
        children.run(["plugins"], dict(os.environ))
    assert started[0].returncode is not None
    children.stop_all()
    assert "stopped" in refusal(children.run, ["plugins"], dict(os.environ))
    assert len(started) == 1


def started(bench: Bench, folder: Path) -> tuple[subprocess.Popen[bytes], JsonLines]:
    """Start a bench in a process of its own; return it, and the log of its first run, once that trains."""
    command = [sys.executable, "-m", "ganzoo", "bench", str(bench.file), "--root", str(folder / "runs")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = JsonLines(folder / "runs/spec/tiny/one-seed0/metrics.jsonl")
    for _ in range(600):
        if len([*log]) > 1 or process.poll() is not None:
            break
        time.sleep(0.1)
    return process, log


@pytest.mark.slow
def test_the_run_of_a_killed_bench_saves_and_stops_and_the_next_bench_joins_it(
    tmp_path: Path, runs: Runs, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = spec(tmp_path, steps=100_000)
    process, log = started(bench, tmp_path)
    process.kill()
    process.wait()
    folder = log.file.parent
    lock_file(folder / ".lock", "").release() if stopped(log) else pytest.fail("the run goes on")
    saved = read_progress(folder / "checkpoints/last")["step"]
    assert saved > 0
    held, released = lock_file(folder / ".lock", "busy"), threading.Timer(2, lambda: held.release())
    released.start()
    step = str(saved + 1)
    runner.run(spec(tmp_path, steps=int(step)), Places(tmp_path / "runs"), jobs=1, only=["one"])
    assert "one-seed0: another process trains this run already; waiting for it" in capsys.readouterr().out
    assert runs.names[:2] == ["one-seed0"] * 2


def stopped(log: JsonLines) -> bool:
    for _ in range(300):
        if [one["event"] for one in JsonLines(log.file.with_name("events.jsonl"))][-1:] == ["stopped"]:
            time.sleep(0.5)  # it releases its lock
            return True
        time.sleep(0.1)
    return False


def test_a_terminated_bench_stops_its_runs_and_starts_no_other(tmp_path: Path) -> None:
    """In processes of its own, as signals are the process's."""
    bench = spec(tmp_path, steps=100_000)
    bench_process, log = started(bench, tmp_path)
    with bench_process:
        bench_process.terminate()
        assert bench_process.wait(60) == 130
    assert not bench.records.exists()
    assert not (tmp_path / "runs/spec/tiny/two-seed0").exists()
    events = [one["event"] for one in JsonLines(log.file.with_name("events.jsonl"))]
    assert events[-1] == "stopped"  # the run saved its state
