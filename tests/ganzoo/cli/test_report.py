"""``ganzoo report``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.command_line import Run
from tests.support.run_logs import Page, logged, write_run


def test_it_writes_the_report_of_a_run_and_prints_its_path(tmp_path: Path, run: Run) -> None:
    folder = write_run(tmp_path / "x", logged(3, {"g/a": lambda done: done}))
    assert run("report", folder) == (0, f"{folder / 'report.html'}\n", "")
    assert Page((folder / "report.html").read_text()).all("h1")[0].text.endswith(" / x")


def test_it_writes_to_another_file(tmp_path: Path, run: Run) -> None:
    folder = write_run(tmp_path / "x")
    assert run("report", folder, "-o", tmp_path / "mine.html") == (0, f"{tmp_path / 'mine.html'}\n", "")
    assert (tmp_path / "mine.html").is_file() and not (folder / "report.html").exists()


def test_an_error_is_one_line(tmp_path: Path, run: Run) -> None:
    code, _, message = run("report", tmp_path / "nowhere")
    assert (code, message.count("\n")) == (2, 1) and "not a run's folder" in message
    code, _, message = run("report", write_run(tmp_path / "x"), "-o", tmp_path / "no/such/folder.html")
    assert (code, message.count("\n")) == (
        2,
        1,
    ) and "folder.html: cannot be written: No such file or directory" in message
    code, _, message = run("report", tmp_path / "x", "-o", tmp_path / "x/resolved.yaml/x.html")
    assert (code, message.count("\n")) == (2, 1) and "x.html: cannot be written: Not a directory" in message


def test_it_needs_no_torch(tmp_path: Path) -> None:
    words = ("-c", "import sys; from ganzoo.cli import cli; cli(sys.argv[1:], standalone_mode=False); "
             "print([name for name in ('torch', 'accelerate', 'pydantic') if name in sys.modules])")  # fmt: skip
    done = subprocess.run(
        [sys.executable, *words, "report", str(write_run(tmp_path / "x"))], capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
