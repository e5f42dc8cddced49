"""No partial bank is ever in place: kill −9 of a real process at random moments."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ganzoo.errors import GanzooError
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.bank_builder import build_bank
from tests.support.photographs import SMALL, write_photographs


@pytest.mark.slow
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
