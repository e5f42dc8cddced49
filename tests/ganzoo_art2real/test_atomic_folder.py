"""No partial folder is ever in place: failures, other builders, and kill −9 of a real process at random moments."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganzoo.errors import BusyError, GanzooError
from ganzoo_art2real.atomic_folder import atomic_folder
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.bank_builder import build_bank
from tests.support.photographs import SMALL, write_photographs


def test_a_folder_is_complete_or_absent(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "deep/one") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "deep/one").exists()
    assert (tmp_path / "deep/one/a").read_text() == "1"
    with pytest.raises(ZeroDivisionError), atomic_folder(tmp_path / "deep/one") as folder:
        (folder / "b").write_text("2")
        1 / 0  # noqa: B018
    assert [file.name for file in (tmp_path / "deep/one").iterdir()] == ["a"]
    assert sorted(one.name for one in (tmp_path / "deep").iterdir()) == [".one.lock", "one"]


def test_it_replaces_a_folder_and_deletes_what_a_killed_process_left(tmp_path: Path) -> None:
    for name in ("one", ".one.new", ".one.old"):
        (tmp_path / name / "deep").mkdir(parents=True)
        (tmp_path / name / "left").write_text("over")
    with atomic_folder(tmp_path / "one") as folder:
        assert list(folder.iterdir()) == []
        (folder / "a").write_text("1")
    assert [file.name for file in (tmp_path / "one").iterdir()] == ["a"]
    assert sorted(one.name for one in tmp_path.iterdir()) == [".one.lock", "one"]


def test_two_at_once_are_refused(tmp_path: Path) -> None:
    with atomic_folder(tmp_path / "one") as folder:
        (folder / "a").write_text("1")
        with pytest.raises(BusyError, match="one: another process"), atomic_folder(tmp_path / "one"):
            pytest.fail("two of them write")
    assert (tmp_path / "one/a").read_text() == "1"


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    message = "file/one: cannot be written: Not a directory; make room, or choose another place$"
    with pytest.raises(GanzooError, match=message), atomic_folder(tmp_path / "file/one"):
        pytest.fail("it cannot be there")


def test_kill_9_leaves_no_partial_folder(tmp_path: Path) -> None:
    """A new bank, and one that is replaced: killed while they are built, then begun again to the end."""
    photographs = write_photographs(tmp_path / "photographs", 250)
    words = ["bank", "build", str(photographs), "--size", "128", "--scales", "[[4,4],[16,6]]", "--fresh", "-o"]
    old = build_bank([photographs / "000.png"], tmp_path / "replaced", SMALL).key
    moments = random.Random(0)
    for name in ("new", "replaced"):
        for _ in range(2):
            command = [sys.executable, "-m", "ganzoo", *words, str(tmp_path / name)]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            growing, deadline = tmp_path / f".{name}.new/images.npy", time.monotonic() + 120
            wanted = moments.uniform(0.05, 0.6) * 250 * 128 * 128 * 3
            while not (growing.is_file() and growing.stat().st_size > wanted):
                assert process.poll() is None, process.communicate()
                assert time.monotonic() < deadline
                time.sleep(0.005)
            process.kill()
            process.communicate(timeout=60)
            assert not (tmp_path / f".{name}.new/manifest.json").exists()
            if name == "new":
                with pytest.raises(GanzooError, match="no bank found"):
                    Bank.open(tmp_path / name)
            else:
                assert Bank.open(tmp_path / name).key == old
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
    made, replaced = (
        {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("new", "replaced")
    )
    assert made == replaced
    assert len(Bank.open(tmp_path / "new").photographs) == 250
    names = [".new.lock", ".replaced.lock", "new", "photographs", "replaced"]
    assert sorted(one.name for one in tmp_path.iterdir()) == names
