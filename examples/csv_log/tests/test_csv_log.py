"""Contracts of the callback, and the file that it writes."""

from __future__ import annotations

import csv
from pathlib import Path

from csv_log.callback import CsvLog
from ganzoo.testing import callback_tests, train_tiny

TestCsvLog = callback_tests(CsvLog)


def test_a_resumed_run_goes_on_with_its_rows(tmp_path: Path) -> None:
    recipe = {"evaluate": {"metrics": ["cycle_l1"], "every": 2}}
    for steps in (2, 4):
        run = train_tiny(tmp_path, {**recipe, "train": {"steps": steps}})
    with (run.folder / "values.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert all(float(row["generator/gan_AB"]) > 0 for row in rows)
    assert [bool(row["cycle_l1_AB"]) for row in rows] == [False, True, False, True]
