"""Tables of results: metric values side by side, and every field of a record, known or not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ganzoo.report import write_report
from tests.support.run_logs import Page, write_run

RECORD: dict[str, Any] = {
    "step": 400,
    "checkpoint": "last",
    "rule": "last",
    "trained": 400,
    "split": "test",
    "images": {"A": 60, "B": 59},
    "metrics": [{"metric": "kid"}],
    "values": {"kid": 0.0123456, "read": 98.0},
}


def tables(folder: Path) -> list[list[list[str]]]:
    """Return the tables of the results: rows of cells."""
    section = re.search(r'<section id="results">.*?</section>', write_report(folder).read_text(), re.S)
    assert section
    parsed = []
    for table in re.findall(r"<table>.*?</table>", section[0], re.S):
        rows = re.findall(r"<tr>.*?</tr>", table, re.S)
        parsed.append([[cell.text for cell in Page(row).elements if cell.tag in ("th", "td")] for row in rows])
    return parsed


def test_values_are_beside_those_of_the_untrained_network(tmp_path: Path) -> None:
    first = {"step": 0, "split": "validation", "images": {"A": 5, "B": 5}, "values": {"kid": 0.5}}
    best = {**RECORD, "checkpoint": "best", "rule": "min kid", "trained": 300, "values": {"kid": 0.01}}
    values, fields = tables(write_run(tmp_path / "run", [first], results=[RECORD, best]))
    assert values == [
        [
            "",
            "untrainedvalidation split · 5 A, 5 B",
            "lastof step 400 · test split · 60 A, 59 B",
            "bestmin kid · of step 300 · test split · 60 A, 59 B",
        ],
        ["kid", "0.5", "0.01235", "0.01"],
        ["read", "–", "98", "–"],
    ]
    assert ["trained", "400", "300"] in fields and ["images.B", "59", "59"] in fields


def test_without_values_of_the_untrained_network_there_is_no_column_for_them(tmp_path: Path) -> None:
    values, _ = tables(write_run(tmp_path / "run", [{"step": 0, "values": {"other": 1.0}}], results=[RECORD]))
    assert [len(row) for row in values] == [2, 2, 2]


def test_details_of_single_values_are_beside_them(tmp_path: Path) -> None:
    about = {"kid": {"metric": "kid", "network": "inception", "n_real": 59, "n_fake": 60}, "read": {"metric": "digits"}}
    values, fields = tables(write_run(tmp_path / "run", results=[{**RECORD, "about": about, "unit": {"read": "%"}}]))
    assert values[0][2:] == ["metric", "network", "n_real", "n_fake", "unit"]
    assert values[1][2:] == ["kid", "inception", "59", "60", "–"]
    assert values[2][2:] == ["digits", "–", "–", "–", "%"]
    assert not [row for row in fields if row[0].startswith(("about", "unit"))]


def test_different_details_of_a_value_are_all_shown(tmp_path: Path) -> None:
    records = [{**RECORD, "about": {"kid": {"n_real": n, "metric": "kid"}}} for n in (59, 12, 59)]
    values, _ = tables(write_run(tmp_path / "run", results=records))
    assert values[0][-2:] == ["n_real", "metric"]
    assert values[1][-2:] == ["59 / 12", "kid"]


def test_unknown_fields_are_shown(tmp_path: Path) -> None:
    unknown = {
        "schema": 2, "recipe": "sha256:12", "status": "ok", "peak": {"host": {"MiB": 12.5}},
        "failed": {"fid": "no weights"}, "many": [1, [2], {"x": None}], "none": None, "good": True, "empty": {},
    }  # fmt: skip
    _, fields = tables(write_run(tmp_path / "run", results=[{**RECORD, **unknown}]))
    cells = {row[0]: row[1] for row in fields[1:]}
    assert {name: cells[name] for name in ("schema", "recipe", "status", "peak.host.MiB", "failed.fid")} == {
        "schema": "2", "recipe": "sha256:12", "status": "ok", "peak.host.MiB": "12.5", "failed.fid": "no weights",
    }  # fmt: skip
    assert [cells[name] for name in ("many", "none", "good", "empty")] == ['[1, [2], {"x": null}]', "–", "yes", "–"]
    assert cells["metrics"] == '[{"metric": "kid"}]'
    assert not [name for name in cells if name.startswith("values")]


def test_a_failed_record_is_shown_too(tmp_path: Path) -> None:
    values, fields = tables(
        write_run(tmp_path / "run", results=[{"checkpoint": "last", "status": "failed", "values": []}])
    )
    assert values == [["", "lastfailed"]]
    assert ["status", "failed"] in fields
