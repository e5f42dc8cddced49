"""Tables of invented records on pages: outdated rows, rows that cannot be checked on this machine, refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ganzoo.bench.spec import Bench, read_spec
from ganzoo.errors import MissingResourceError
from ganzoo.provenance.fingerprint import plugins_of, recipe_key
from ganzoo.recipe.reader import read_recipe
from tests.support.bench_records import MARKERS, Runs, record, write_spec
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
def test_a_resource_missing_on_this_machine_marks_no_row_and_is_reported(tmp_path: Path, run: Run, place: str) -> None:
    bench = make_bench(tmp_path, LEARNED.format(place))
    for given in ((), ("--data", tmp_path / "data")):
        code, out, error = run("table", bench.file, "--root", tmp_path / "runs", *given)
        assert (code, OUTDATED in out) == (0, False)
        assert error.startswith("not checked: one: maskers.input: ") and error.count("\n") == 1
        assert "unet.safetensors" in error


def test_weights_and_images_are_not_downloaded(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GANZOO_WEIGHTS", raising=False)
    monkeypatch.setattr("ganzoo.weights.download.Transfer", lambda entry, *_: pytest.fail(f"{entry.name}: downloaded"))
    bench = make_bench(tmp_path, "maskers.input={masker: segmenter, classes: [horse]}")
    code, out, error = run("table", bench.file)
    assert (code, OUTDATED in out) == (0, False)
    assert error.startswith("not checked: one: maskers.input: ") and "ganzoo weights get" in error
    bench = make_bench(tmp_path, "data={dataset: webdataset, A: 'http://localhost/a.tar'}")
    made = json.loads(bench.records.read_text())
    bench.records.write_text(json.dumps({**made, "data": {**made["data"], "keys": {"test": "0123"}}}) + "\n")
    assert run("table", bench.file)[2] == "not checked: one: its images are not on this machine\n"


def test_a_bench_without_its_data_folder_has_the_exit_code_of_a_missing_resource(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GANZOO_DATA", raising=False)
    code, _, error = run("bench", make_bench(tmp_path, LEARNED.format("{data}")).file, "--root", tmp_path / "runs")
    assert code == MissingResourceError.exit_code and "--data FOLDER" in error


def test_each_table_is_checked_also_after_one_that_differs(tmp_path: Path, run: Run) -> None:
    files = []
    for name in ("one", "two", "three"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "page.md").write_text(MARKERS)
        bench = make_bench(tmp_path / name, page="page.md")
        files.append(str(bench.file))
    assert run("table", files[1], "--write")[0] == 0
    code, _, error = run("table", *files, "--check")
    assert code == 2 and [line.split("page.md")[0] for line in error.splitlines()] == [
        f"ganzoo: {tmp_path}/one/",
        f"ganzoo: {tmp_path}/three/",
    ]


def test_all_sizes_of_a_table_are_checked_but_those_that_were_never_run(tmp_path: Path, run: Run) -> None:
    (tmp_path / "page.md").write_text(MARKERS.replace("spec table", "spec-small table"))
    bench = make_bench(tmp_path, page="page.md", scales={"small": {"seeds": [0]}})
    words = ("table", bench.file, "--check")
    assert run(*words)[0] == 2  # the page has no table yet
    assert run("table", bench.file, "--scale", "small", "--write")[0] == 0
    bench.records.unlink()
    code, _, error = run(*words)
    assert code == 0 and "not run, and on no page: spec\n" in error
    bench.records.write_text(json.dumps(record("one", 0, {}).fields()) + "\n")
    code, _, error = run(*words)
    assert code == 2 and "the markers <!-- spec table --> and <!-- end of spec table --> are missing" in error


@pytest.mark.parametrize(
    "change",
    [
        "method.cylce=1",
        "maskers.input={masker: unett}",
        "maskers.input={masker: centered_square, scales: [-1]}",
        "data={dataset: folders, rot: '{data}/images'}",
    ],
)
def test_an_invalid_recipe_marks_its_row(tmp_path: Path, run: Run, change: str) -> None:
    for changes in ([change], [LEARNED.format("{data}"), change]):  # even if weights are missing too
        _, out, error = run("table", make_bench(tmp_path, *changes).file, "--data", tmp_path)
        assert f"{OUTDATED}: recipe" in out and error == ""


def test_a_recipe_that_is_missing_or_not_yaml_marks_its_row(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path)
    assert OUTDATED not in run("table", bench.file)[1]
    (tmp_path / "tiny.yaml").write_text("method: [")
    assert f"{OUTDATED}: recipe" in run("table", bench.file, "--data", tmp_path)[1]
    (tmp_path / "tiny.yaml").write_text("base: gone.yaml")
    assert f"{OUTDATED}: recipe" in run("table", bench.file)[1]
    (tmp_path / "tiny.yaml").unlink()
    assert f"{OUTDATED}: recipe" in run("table", bench.file)[1]


def test_missing_images_are_reported(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path)
    made = json.loads(bench.records.read_text())
    bench.records.write_text(json.dumps({**made, "data": {**made["data"], "keys": {"test": "0123"}}}) + "\n")
    assert f"{OUTDATED}: images" in run("table", bench.file)[1]
    (tmp_path / "images").rename(tmp_path / "elsewhere")
    _, out, error = run("table", bench.file)
    assert OUTDATED not in out and error == "not checked: one: its images are not on this machine\n"


def test_the_folder_of_the_runs_can_be_set(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path, LEARNED.format("{root}"))
    for root in ("one", "two"):
        assert str(tmp_path / root / "spec/unet.safetensors") in run("table", bench.file, "--root", tmp_path / root)[2]


def test_a_page_without_markers_is_refused_before_any_run(tmp_path: Path, runs: Runs, run: Run) -> None:
    bench = make_bench(tmp_path, page="page.md")
    bench.records.unlink()
    assert "page.md: cannot be read" in run("bench", bench.file, "--root", tmp_path / "runs")[2]
    (tmp_path / "page.md").write_text("nothing")
    assert "the markers <!-- spec table -->" in run("bench", bench.file, "--root", tmp_path / "runs")[2]
    assert runs.names == []


@pytest.mark.parametrize(
    "words", [["--write", "--check"], ["--format", "csv", "--write"], ["--format", "markdown", "--check"]]
)
def test_options_that_exclude_each_other_are_refused(tmp_path: Path, run: Run, words: list[str]) -> None:
    bench = make_bench(tmp_path, page="page.md")
    (tmp_path / "page.md").write_text("<!-- spec table -->\n<!-- end of spec table -->\n")
    code, out, error = run("table", bench.file, *words)
    named = " and ".join(one for one in words if one.startswith("--"))
    assert (code, out) == (2, "") and error.startswith(f"ganzoo: {named}: give one of them")
    assert (tmp_path / "page.md").read_text() == "<!-- spec table -->\n<!-- end of spec table -->\n"


def test_a_page_can_be_written_again_if_a_reason_contains_a_marker(tmp_path: Path, run: Run) -> None:
    bench = make_bench(tmp_path, page="page.md")
    why = "<!-- end of spec table -->\n<!-- spec table -->"
    bench.records.write_text(json.dumps(record("one", 0, {}, status="failed", why=why).fields()) + "\n")
    (tmp_path / "page.md").write_text("<!-- spec table -->\n<!-- end of spec table -->\nrest\n")
    for _ in range(2):
        assert run("table", bench.file, "--write")[0] == 0
        assert run("table", bench.file, "--check")[0] == 0
        assert (tmp_path / "page.md").read_text().count("<!--") == 2
