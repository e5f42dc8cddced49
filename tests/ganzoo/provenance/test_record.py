"""Records of a run's evaluation are complete and valid; errors in a file of records name the file and the line."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pytest

import ganzoo
from ganzoo.provenance.fingerprint import code_key, recipe_key, weights_key
from ganzoo.provenance.record import Record, read_records
from ganzoo.recipe.reader import read_recipe
from ganzoo.utils.jsonl import JsonLines
from tests.support.command_line import refusal
from tests.support.tiny_run import lines, write_recipe

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    ganzoo.run(write_recipe(folder), root=folder)
    return folder / "tiny/default"


def test_a_record_states_the_origin_of_its_values(run: Path) -> None:
    last, best = read_records(run / "results.jsonl")
    recipe = read_recipe(run / "recipe.yaml")
    assert (last.status, last.checkpoint, last.rule) == ("ok", "last", "last")
    assert (best.checkpoint, best.rule) == ("best", recipe.evaluate.best)
    assert last.recipe_key == recipe_key(recipe)
    assert last.weights == weights_key(run / "checkpoints/last")
    assert set(last.data.keys) == {"test"}
    (session,) = last.trained_by
    assert (session.step, session.steps, session.epochs, session.core) == (0, 8, 0, last.core)
    assert session.plugins == last.plugins  # with those of metrics, as one of them chooses the best checkpoint
    assert set(session.images) == {"train", "validation"}
    assert last.data.images["test"] == last.images
    logged = [one for one in lines(run / "metrics.jsonl") if "images_per_s" in one]
    assert last.cost.peak_memory == max(one["memory"] for one in logged) > 1 << 20
    assert last.cost.seconds == pytest.approx(sum(one["seconds"] for one in logged), abs=0.1)
    assert min(one["images_per_s"] for one in logged) <= (last.cost.images_per_s or 0)
    assert last.about.keys() == last.values.keys()
    assert last.environment["packages"]["torch"]
    assert str(run.parent) not in json.dumps(last.fields())


def test_values_that_are_no_numbers_are_written_as_valid_json_and_read_again(run: Path, tmp_path: Path) -> None:
    (record, _) = read_records(run / "results.jsonl")
    values = {"a": math.nan, "b": math.inf}
    JsonLines(tmp_path / "results.jsonl").append(**record.model_copy(update={"values": values, "time": ""}).fields())
    assert '"values": {"a": "NaN", "b": "Infinity"}' in (tmp_path / "results.jsonl").read_text()
    (read,) = read_records(tmp_path / "results.jsonl")
    assert math.isnan(read.values["a"]) and read.values["b"] == math.inf


def test_a_record_describes_each_training_session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = write_recipe(tmp_path)
    ganzoo.run(recipe, "train.steps=2", root=tmp_path)
    ganzoo.run(recipe, "train.steps=2", root=tmp_path)  # already at its end: no session
    keys = {"ganzoo_cyclegan.method": "another"}
    monkeypatch.setattr(
        "ganzoo.provenance.fingerprint.code_key", lambda *modules: keys.get(modules[0]) or code_key(*modules)
    )
    ganzoo.run(recipe, "train.steps=4", root=tmp_path)
    images = sorted((tmp_path / "images/trainA").glob("*"))
    images[0].write_bytes(images[1].read_bytes())
    ganzoo.run(recipe, "train.steps=6", root=tmp_path)
    last = [one for one in read_records(tmp_path / "tiny/default/results.jsonl") if one.checkpoint == "last"][-1]
    assert [(one.step, one.steps) for one in last.trained_by] == [(0, 2), (2, 4), (4, 6)]
    codes = [one.plugins["cyclegan"].code for one in last.trained_by]
    assert codes[0] != codes[1] == codes[2] == "another"
    trained_on = [one.images["train"] for one in last.trained_by]
    assert trained_on[0] == trained_on[1] != trained_on[2]


def test_every_field_is_explained(run: Path) -> None:
    text = (ROOT / "docs/records.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `(\w+)` \|", text, re.M))
    assert explained == set(Record.model_fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"record": 1}, "results.jsonl:1: not a record of schema 2: record"),
        ({"values": {"fid": "good"}}, "values.fid"),
        ({"surprise": 1}, "surprise: Extra inputs are not permitted"),
        ({"seed": None}, "seed"),
    ],
)
def test_an_invalid_record_is_reported(run: Path, tmp_path: Path, change: dict[str, object], message: str) -> None:
    file = tmp_path / "results.jsonl"
    file.write_text(json.dumps({**lines(run / "results.jsonl")[0], **change}) + "\n")
    assert message in refusal(read_records, file)


def test_an_incomplete_line_and_a_missing_file_are_reported(tmp_path: Path) -> None:
    file = tmp_path / "results.jsonl"
    assert "there are no records" in refusal(read_records, file)
    file.write_text('\n{"record": 2,')
    assert "results.jsonl:2: not a line of JSON" in refusal(read_records, file)
