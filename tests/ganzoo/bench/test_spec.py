"""Specs of tables: every mistake with file and line; scales; the folder of data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench.spec import Cell, Places, read_spec, resolve_places
from tests.support.bench_records import SPEC, write_spec
from tests.support.command_line import refusal

TWO_SETS: dict[str, Any] = {"x": {}, "y": {}}
ROW: dict[str, Any] = SPEC["rows"]["two"]
TWO_COLUMNS = [{"value": name, "label": name} for name in ("fid", "kid")]


def test_cells_are_rows_by_data_by_seeds(tmp_path: Path) -> None:
    data = {"x": {"set": ["data.root={data}/x"]}, "y": {"set": ["data.root=y"]}}
    rows = {"one": {"label": "One", "recipe": "tiny.yaml", "set": ["train.steps=3"]}}
    bench = read_spec(write_spec(tmp_path, data=data, rows=rows))
    assert [one.name for one in bench.cells()] == ["one-x-seed0", "one-x-seed1", "one-y-seed0", "one-y-seed1"]
    changes = bench.changes(Cell("one", "x", 1), Places(Path("/runs"), Path("/images")))
    assert changes == ["train.steps=2", "data.root=/images/x", "train.steps=3", "train.seed=1"]
    assert bench.recipe(Cell("one", "x", 0)) == tmp_path / "tiny.yaml"
    nowhere = Places(Path("/runs"))
    assert "it reads images from the folder {data}" in refusal(bench.changes, Cell("one", "x", 1), nowhere)
    assert bench.changes(Cell("one", "y", 0), nowhere)[1] == "data.root=y"


def test_a_row_may_have_overrides_of_its_own_on_a_data_set(tmp_path: Path) -> None:
    data = {"x": {"set": ["data.root=x"], "rows": {"two": ["train.steps=5", "train.start=runs/{run}"]}}, "y": {}}
    bench = read_spec(write_spec(tmp_path, data=data, rows={**SPEC["rows"], "two": {**ROW, "set": ["train.steps=3"]}}))
    places = Places(Path("/runs"))
    assert bench.changes(Cell("two", "x", 1), places) == [
        *("train.steps=2", "data.root=x", "train.steps=3", "train.steps=5", "train.start=runs/two-x-seed1"),
        "train.seed=1",
    ]
    assert bench.changes(Cell("two", "y", 0), places) == ["train.steps=2", "train.steps=3", "train.seed=0"]
    assert bench.changes(Cell("one", "x", 0), places) == ["train.steps=2", "data.root=x", "train.seed=0"]


def test_the_folder_of_data_is_an_argument_or_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_DATA", "images")
    assert resolve_places(Path("runs"), None) == Places(Path.cwd() / "runs", Path.cwd() / "images")
    assert resolve_places(Path("/runs"), Path("/there")) == Places(Path("/runs"), Path("/there"))
    monkeypatch.delenv("GANZOO_DATA")
    assert resolve_places(Path("/runs"), None) == Places(Path("/runs"), None)


def test_a_scale_replaces_the_keys_that_it_has(tmp_path: Path) -> None:
    columns = [{"value": "other", "label": "stand-in"}]
    file = write_spec(tmp_path, scales={"small": {"seeds": [5], "columns": columns}})
    whole, small = read_spec(file), read_spec(file, "small")
    assert (whole.name, small.name) == ("spec", "spec-small")
    assert small.records == tmp_path / "spec-small.jsonl"
    assert (whole.spec.seeds, small.spec.seeds) == ([0, 1], [5])
    assert [one.value for one in small.spec.columns] == ["other"]
    assert small.spec.rows == whole.spec.rows
    assert "it has no scale 'smal' (did you mean 'small'?)" in refusal(read_spec, file, "smal")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", ": empty; a spec needs at least a title, rows, and columns or a matrix"),
        (b"- a", ":1: a spec is a mapping of keys to values, such as 'title: TEXT'"),
        (b"\xff\xfe", ": not a text file (UTF-8); a spec is YAML"),
        (b"title: !x {a: b}", ":1: the tag '!x' is not allowed; give plain data without tags"),
    ],
)
def test_a_file_that_is_no_spec_is_called_one(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "spec.yaml"
    file.write_bytes(content)
    assert refusal(read_spec, file) == f"{file}{message}"


def test_a_folder_and_a_missing_file_are_no_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "recipe.yaml").touch()
    assert refusal(read_spec, tmp_path) == f"{tmp_path}: a folder, not a spec; give the spec's file"
    monkeypatch.chdir(tmp_path)
    for folder in ("benchmarks", "recipes"):
        Path(folder).mkdir()
        Path(folder, "x.yaml").touch()
    assert refusal(read_spec, Path("x.yaml")) == "x.yaml: no such file (did you mean 'benchmarks/x.yaml'?)"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"titel": "x"}, "titel: unknown key 'titel' (did you mean 'title'?)"),
        ({"colums": []}, "colums: unknown key 'colums' (did you mean 'columns'?)"),
        (
            {"columns": [{"value": "x", "label": "x", "bettr": "more"}]},
            "columns.0.bettr: unknown key 'bettr' (did you mean 'better'?)",
        ),
        (
            {"columns": [{"value": "x", "label": "x", "digits": "many"}]},
            "digits: it is 'many'; it must be a whole number",
        ),
        ({"seeds": 3}, "seeds: it is 3; it must be a list"),
        ({"seeds": [True]}, "seeds.0: it is True; it must be a whole number"),
        ({"columns": [{"value": "x", "label": "x", "factor": True}]}, "factor: it is True; it must be a number"),
        (
            {"columns": [{"value": "x", "label": "x", "factor": float("inf")}]},
            "factor: it is inf; it must be a finite number",
        ),
        (
            {"rows": {"a b": {"label": "x", "recipe": "tiny.yaml"}}},
            "the name 'a b' has characters that are not allowed",
        ),
        ({"checkpoint": "lst"}, "checkpoint: it is 'lst' (did you mean 'last'?)"),
        ({"seeds": []}, "seeds: it needs at least 1 of them, and has 0"),
        ({"seeds": [0, 1, 0]}, "seeds: a seed is listed twice"),
        ({"columns": [{"value": "x"}]}, "columns.0: the key 'label' is missing"),
        (
            {"columns": [{"value": "x", "label": "x", "better": "most"}]},
            "better: it is 'most' (there are: less, more)",
        ),
        ({"set": ["train.steps"]}, "set.0: 'train.steps' is not of the form key.path=value"),
        ({"set": ["train.seed=3"]}, "set.0: the table sets the seeds"),
        (
            {
                "data": {"monet": {}, "small-monet": {}},
                "rows": {name: {"label": name, "recipe": "tiny.yaml"} for name in ("cut", "cut-small")},
            },
            "rows.cut-small: runs of cut with small-monet and of cut-small with monet have the same name",
        ),
        ({"mean": True}, "mean: the mean over data sets needs two of them at least"),
        (
            {
                "mean": True,
                "data": TWO_SETS,
                "columns": TWO_COLUMNS,
                "paper": {"protocol": "", "values": {"two": {"x": 1}}},
            },
            "paper.values.two.x: there is no column 'x'",
        ),
        (
            {"data": TWO_SETS, "columns": TWO_COLUMNS, "paper": {"protocol": "x", "values": {"two": {"fid": 1}}}},
            "paper: with several data sets the paper's values can be given for a single column only",
        ),
        ({"data": {"x": {"rows": {"tow": []}}}}, "data.x.rows.tow: there is no row 'tow' (did you mean 'two'?)"),
        ({"data": {"x": {"rows": {"two": ["steps"]}}}}, "data.x.rows.two.0: 'steps' is not of the form key.path=value"),
        (
            {"data": TWO_SETS, "paper": {"protocol": "x", "values": {"two": {"mean": 1}}}},
            "paper.values.two.mean: there is no column 'mean'",
        ),
        ({"paper": {"protocol": "x", "values": {"tow": {}}}}, "there is no row 'tow' (did you mean 'two'?)"),
        ({"paper": {"protocol": "x", "values": {"two": {"fid": 1}}}}, "there is no column 'fid'"),
        (
            {"prepare": {"bank": {"command": "bank build 'x", "makes": "x"}}},
            'prepare.bank.command: it is "bank build \'x": no closing quotation',
        ),
        ({"prepare": {"bank": {"command": " ", "makes": "x"}}}, "prepare.bank.command: it is empty; give a command"),
        ({"scales": {"small": {"sedes": [1]}}}, "scales.small.sedes: unknown key 'sedes' (did you mean 'seeds'?)"),
    ],
)
def test_mistakes_are_reported_with_file_and_line(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    error = refusal(read_spec, write_spec(tmp_path, **changes))
    assert message in error and f"{tmp_path / 'spec.yaml'}:" in error
    assert int(error.split("spec.yaml:")[1].split(":")[0]) >= 1


def test_a_mistake_in_a_scale_is_reported_with_its_line(tmp_path: Path) -> None:
    file = write_spec(tmp_path, scales={"small": {"seeds": []}})
    line = next(i for i, text in enumerate(file.read_text().splitlines(), 1) if text.startswith("    seeds"))
    assert f"spec.yaml:{line}: seeds: it needs at least 1" in refusal(read_spec, file, "small")
