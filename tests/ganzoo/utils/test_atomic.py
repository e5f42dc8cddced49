"""Locks between processes, and folders that are replaced atomically."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from errno import ENOSYS
from pathlib import Path

import pytest

from ganzoo.errors import BusyError
from ganzoo.utils.atomic import find_complete, lock_file, repair_replacement, replace_folder, wait_for_lock

HOLD = """
import sys, time
from pathlib import Path
from ganzoo.utils.atomic import lock_file
lock = lock_file(Path(sys.argv[1]), "busy")
print(lock.held, flush=True)
time.sleep(60)
"""


def test_a_lock_is_refused_to_others_until_it_is_released(tmp_path: Path) -> None:
    file = tmp_path / ".lock"
    lock = lock_file(file, "busy: wait")
    assert lock.held
    with pytest.raises(BusyError, match=r"^busy: wait$"):
        lock_file(file, "busy: wait")
    lock.release()
    assert not lock.held
    with lock_file(file, "busy") as again:
        assert again.held
    assert not again.held and file.is_file()


def test_kill_9_releases_a_lock(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path / ".lock")], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "True\n"
    with pytest.raises(BusyError):
        lock_file(tmp_path / ".lock", "busy")
    process.kill()
    process.wait()
    process.stdout.close()
    assert lock_file(tmp_path / ".lock", "busy").held


def test_waiting_for_a_lock(tmp_path: Path) -> None:
    held, order = lock_file(tmp_path / ".lock", "busy"), []

    def wait() -> None:
        with wait_for_lock(tmp_path / ".lock") as lock:
            order.append(lock.held)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.2)
    assert order == []
    held.release()
    thread.join(60)
    assert order == [True]


def test_without_support_for_locks_nothing_is_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fcntl")

    def no_locks(file: int, operation: int) -> None:
        raise OSError(ENOSYS, "locks are not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    for _ in range(2):
        with lock_file(tmp_path / ".lock", "busy") as lock, wait_for_lock(tmp_path / ".lock") as other:
            assert not lock.held and not other.held
    (tmp_path / "file").touch()
    assert not lock_file(tmp_path / "file/.lock", "busy").held


def test_an_interrupted_replacement_is_found_and_undone(tmp_path: Path) -> None:
    for name, text in ((".one.old", "old"), (".one.new", "new")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "mark").write_text(text)
    assert find_complete(tmp_path / "one", "mark") == tmp_path / ".one.old"
    assert repair_replacement(tmp_path / "one", "mark") == tmp_path / "one"
    assert (tmp_path / "one/mark").read_text() == "old"
    replace_folder(tmp_path / "one", "mark")
    assert (tmp_path / "one/mark").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
    assert find_complete(tmp_path / "two", "mark") is None
