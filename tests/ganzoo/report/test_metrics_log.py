"""metrics.jsonl in columns: only new lines are read, a replaced file is read again, and memory stays small."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from ganzoo.report.metrics_log import Course, MetricsLog
from ganzoo.utils import jsonl
from ganzoo.utils.jsonl import JsonLines
from tests.support.command_line import refusal


def test_only_added_lines_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[bytes] = []

    def spy(line: bytes) -> object:
        parsed.append(line)
        return jsonl.parse_line(line)

    monkeypatch.setattr("ganzoo.report.metrics_log.parse_line", spy)
    lines, log = JsonLines(tmp_path / "metrics.jsonl"), MetricsLog(tmp_path / "metrics.jsonl")
    log.update()
    assert (log.lines, log.last_step) == (0, 0)
    for step in (1, 2, 3):
        lines.append(step=step, losses={"g": step / 2}, lr=0.1)
        log.update()
    assert len(parsed) == 3
    assert log.losses == {"g": [(1, 0.5), (2, 1.0), (3, 1.5)]}
    assert log.columns["lr"][-2:] == [(2, 0.1), (3, 0.1)] and log.last_step == 3


def test_a_line_is_read_when_it_is_complete_and_a_file_that_was_cut_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    lines, log = JsonLines(file), MetricsLog(file)
    lines.append(step=1, values={"kid": 2.0})
    whole = file.read_bytes()
    file.write_bytes(whole + b'{"step": 2, "los')
    log.update()
    assert log.lines == 1 and [one["step"] for one in log.evaluations] == [1]
    with file.open("ab") as opened:
        opened.write(b'ses": {"g": 1}}\n')
    log.update()
    assert log.lines == 2 and log.losses == {"g": [(2, 1.0)]}
    lines.cut(1)
    log.update()
    assert log.lines == 1 and log.losses == {}
    file.unlink()
    log.update()
    assert log.lines == 0 and log.evaluations == []


def test_lines_of_any_form_are_left_out(tmp_path: Path) -> None:
    steps = ["1e999", "NaN", '"NaN"', "9" * 400, "true", "null", "[1]"]
    lines = [f'{{"step": {step}, "losses": {{"g": 1}}}}' for step in steps]
    lines += [
        "12",
        "[1]",
        "{}",
        "[" * 10**5,
        '{"step": 1, "values": 3, "losses": [2]}',
        '{"step": 2, "losses": {"g": "x"}}',
    ]
    (tmp_path / "metrics.jsonl").write_text("\n".join([*lines, '{"step": 3, "losses": {"g": 5}}\n']))
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.update()
    assert (log.lines, log.last_step, log.losses, log.evaluations) == (3, 3, {"g": [(3, 5.0)]}, [])


def test_a_log_that_cannot_be_read_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").mkdir()
    message = refusal(MetricsLog(tmp_path / "metrics.jsonl").update)
    assert message == f"{tmp_path}/metrics.jsonl: damaged: it cannot be read: Is a directory"


def test_a_long_log_takes_little_memory(tmp_path: Path) -> None:
    """A line of eight losses takes 2.6 kB as a dict; as numbers it takes less than a tenth."""
    line = {"lr": 2e-4, "losses": {f"generator/{i}": 0.123456789 + i for i in range(8)}, "images_per_s": 9.5}
    with (tmp_path / "metrics.jsonl").open("w") as file:
        for step in range(1, 5001):
            file.write(json.dumps({"step": step, **line, "time": "2026-01-02T03:04:05+00:00"}) + "\n")
    log = MetricsLog(tmp_path / "metrics.jsonl")
    tracemalloc.start()
    try:
        log.update()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert log.lines == 5000 and len(log.losses["generator/7"]) == 5000
    assert peak / 5000 < 260


def test_a_course_is_a_sequence() -> None:
    course = Course()
    for step in range(4):
        course.append(step, step / 2)
    assert course[-1] == (3, 1.5) and course[1:3] == [(1, 0.5), (2, 1.0)]
    assert isinstance(course[0][0], int) and len(course) == 4
    with pytest.raises(IndexError):
        course[4]
