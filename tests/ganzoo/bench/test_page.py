"""Tables on pages of records that were never run: what is outdated, what cannot be checked here, what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench.spec import Bench, read_spec
from ganzoo.provenance.fingerprint import plugins_of, recipe_key
from ganzoo.recipe.reader import read_recipe
from tests.support.bench_records import Runs, record, write_spec
from tests.support.command_line import Run
from tests.support.tiny_run import write_recipe

OUTDATED = "outdated: changed since it was run"
LEARNED = "maskers.input={{masker: unet, weights: '{}/unet.safetensors'}}"


def make_bench(folder: Path, *changes: str, **spec: Any) -> Bench:
    """Write a tiny recipe of a method with masks, a spec of a row with changes, and a record of it as it is."""
    masks = {"input": {"masker": "full"}}
    file = write_recipe(
        folder, method={"method": "mask_cyclegan"}, maskers=masks, evaluate={"metrics": [], "best": None}
    )
    rows = {"one": {"label": "One", "recipe": "tiny.yaml", "set": list(changes)}}
    bench = read_spec(write_spec(folder, **{"rows": rows, "seeds": [0], **spec}))
    recipe = read_recipe(file, ["train.steps=2", "train.seed=0"])
    known = {"recipe_key": recipe_key(recipe), "plugins": plugins_of(recipe)}
    made = record("one", 0, {"cycle_l1_AB": 0.5}).fields() | known
    bench.records.write_text(json.dumps(made) + "\n")
    return bench


@pytest.mark.parametrize("place", ["{data}", "{root}"])
def test_what_only_this_machine_lacks_marks_no_row_and_is_told(tmp_path: Path, run: Run, place: str) -> None:
    bench = make_bench(tmp_path, LEARNED.format(place))
    for given in ((), ("--data", tmp_path / "data")):
        code, out, said = run("table", bench.file, "--root", tmp_path / "runs", *given)
        assert (code, OUTDATED in out) == (0, False)
        assert said.startswith("not checked: one: maskers.input: ") and said.count("\n") == 1
        assert "unet.safetensors" in said


@pytest.mark.parametrize(
    "change",
    [
        "method.cylce=1",
        "maskers.input={masker: unett}",
        "maskers.input={masker: centered_square, scales: [-1]}",
        "data={dataset: folders, rot: '{data}/images'}",
    ],
)
def test_a_recipe_that_is_wrong_marks_its_row(tmp_path: Path, run: Run, change: str) -> None:
    for changes in ([change], [LEARNED.format("{data}"), change]):  # whatever else is not here
        _, out, said = run("table", make_bench(tmp_path, *changes).file, "--data", tmp_path)
        assert f"{OUTDATED}: recipe" in out and said == ""


def test_a_recipe_that_is_no_more_or_no_yaml_marks_its_row(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path)
    assert OUTDATED not in run("table", bench.file)[1]
    (tmp_path / "tiny.yaml").write_text("method: [")
    assert f"{OUTDATED}: recipe" in run("table", bench.file, "--data", tmp_path)[1]
    (tmp_path / "tiny.yaml").write_text("base: gone.yaml")
    assert f"{OUTDATED}: recipe" in run("table", bench.file)[1]
    (tmp_path / "tiny.yaml").unlink()
    assert f"{OUTDATED}: recipe" in run("table", bench.file)[1]


def test_images_that_are_not_here_are_told(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path)
    made = json.loads(bench.records.read_text())
    bench.records.write_text(json.dumps({**made, "data": {**made["data"], "keys": {"test": "0123"}}}) + "\n")
    assert f"{OUTDATED}: images" in run("table", bench.file)[1]
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    _, out, said = run("table", bench.file)
    assert OUTDATED not in out and said == "not checked: one: its images are not on this machine\n"


def test_runs_may_lie_elsewhere(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path, LEARNED.format("{root}"))
    for root in ("one", "two"):
        assert str(tmp_path / root / "spec/unet.safetensors") in run("table", bench.file, "--root", tmp_path / root)[2]


def test_a_page_without_markers_costs_no_run(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = make_bench(tmp_path, page="page.md")
    bench.records.unlink()
    assert "page.md: cannot be read" in run("bench", bench.file, "--root", tmp_path / "runs")[2]
    (tmp_path / "page.md").write_text("nothing")
    assert "the markers <!-- spec table -->" in run("bench", bench.file, "--root", tmp_path / "runs")[2]
    assert runs.names == []


@pytest.mark.parametrize(
    "words", [["--write", "--check"], ["--format", "csv", "--write"], ["--format", "markdown", "--check"]]
)
def test_what_cannot_go_together_is_refused(tmp_path: Path, run: Run, words: list[str]) -> None:
    bench = make_bench(tmp_path, page="page.md")
    (tmp_path / "page.md").write_text("<!-- spec table -->\n<!-- end of spec table -->\n")
    code, out, said = run("table", bench.file, *words)
    named = " and ".join(one for one in words if one.startswith("--"))
    assert (code, out) == (2, "") and said.startswith(f"ganzoo: {named}: give one of them")
    assert (tmp_path / "page.md").read_text() == "<!-- spec table -->\n<!-- end of spec table -->\n"


def test_a_reason_with_a_marker_leaves_a_page_that_can_be_written_again(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path, page="page.md")
    why = "<!-- end of spec table -->\n<!-- spec table -->"
    bench.records.write_text(json.dumps(record("one", 0, {}, status="failed", why=why).fields()) + "\n")
    (tmp_path / "page.md").write_text("<!-- spec table -->\n<!-- end of spec table -->\nrest\n")
    for _ in range(2):
        assert run("table", bench.file, "--write")[0] == 0
        assert run("table", bench.file, "--check")[0] == 0
        assert (tmp_path / "page.md").read_text().count("<!--") == 2
