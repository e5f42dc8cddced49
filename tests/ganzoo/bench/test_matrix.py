"""A matrix in place of columns, measured on a tiny run: each value is that of two folders of images."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from torch import Tensor

from ganzoo.bench import runner
from ganzoo.bench.matrix import distance_name
from ganzoo.bench.records import read_bench_records
from ganzoo.bench.spec import Bench, Places, read_spec
from ganzoo.evaluation.folders import evaluate_folder
from ganzoo.inference.files import translate_files
from ganzoo.provenance.record import Record
from ganzoo_metrics.distribution import FD
from tests.support.bench_records import Runs, replace_run_command, write_spec
from tests.support.command_line import Run, refusal
from tests.support.lpips_trunks import save_trunk
from tests.support.random_images import save
from tests.support.tiny_run import write_recipe

SIDE = 16
MARKERS = "# Page\n<!-- spec table: made -->\n<!-- end of spec table -->\nrest\n"
MASKERS: dict[str, Any] = {
    "scale 0.5": {"masker": "centered_square", "scales": [0.5]},
    "all": "full",
}
SETS: dict[str, Any] = {
    "real train": {"real": "train"},
    "real test": {"real": "test"},
    **{name: {"masker": masker} for name, masker in MASKERS.items()},
    "held out": {"real": "validation"},  # of which there are none
    "given": {"masker": "file"},  # and the data gives no masks
}
MADE = [name for name in SETS if name not in ("held out", "given")]


def make_bench(folder: Path, **changes: Any) -> Bench:
    """Write images, a recipe and a spec with a matrix."""
    if not (folder / "tiny.yaml").exists():
        for split, domain in product(("train", "test"), "AB"):
            for index in range({"train": 9, "test": 4 if domain == "A" else 5}[split]):
                rng = np.random.default_rng([len(split), ord(domain), index])
                level = 90 if domain == "A" else 256
                save(folder / f"images/{split}{domain}/{index}.png", rng.integers(0, level, (SIDE, SIDE, 3), np.uint8))
        generator = {"generator": "resnet", "width": 4, "blocks": 1}
        write_recipe(
            folder,
            method={"method": "mask_cyclegan"},
            networks={"G": generator},
            maskers={"input": {"masker": "multi_rectangle"}},
            data={"validation": 0.0},
            images={"size": SIDE, "load": SIDE},
            train={"steps": 2, "ema": 0.0},
            evaluate={"every": 0, "best": None},
        )
        (folder / "page.md").write_text(MARKERS)
    matrix = {
        "metric": {"metric": "fd", "weights": "{data}/squeeze.safetensors"},
        "sets": SETS,
        "domains": {"A": "dark ones", "B": "light ones"},
        "digits": 2,
    }
    spec = {
        "seeds": [0],
        "set": [],
        "page": "page.md",
        "rows": {"one": {"label": "One", "recipe": "tiny.yaml"}},
        "columns": [],
        "matrix": {**matrix, **changes.pop("matrix", {})},
    }
    return read_spec(write_spec(folder, **{**spec, **changes}))


def places(bench: Bench) -> Places:
    return Places(bench.file.parent / "runs", bench.file.parent)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which the bench was run once."""
    folder = tmp_path_factory.mktemp("matrix")
    bench = make_bench(folder)
    save_trunk(folder, "squeeze")
    with pytest.MonkeyPatch.context() as patch:
        replace_run_command(patch, Runs())
        runner.run(bench, places(bench), jobs=1)
    return folder


@pytest.fixture
def bench(made: Path, tmp_path: Path) -> Bench:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return make_bench(tmp_path)


def record_of(bench: Bench) -> Record:
    (record,) = read_bench_records(bench)
    return record


def test_each_value_is_the_metric_of_two_folders(bench: Bench, tmp_path: Path) -> None:
    record, run = record_of(bench), tmp_path / "runs/spec/tiny/one-seed0"
    metric = f"{{metric: fd, weights: {tmp_path / 'squeeze.safetensors'}}}"
    folders: dict[tuple[str, str], Path] = {}
    for source, target in ("AB", "BA"):
        folders[target, "real test"] = tmp_path / f"images/test{target}"
        for name, masker in MASKERS.items():
            folders[target, name] = tmp_path / "translated" / target / name.replace(" ", "")
            text = masker if isinstance(masker, str) else f"{{masker: centered_square, scales: {masker['scales']}}}"
            images = tmp_path / f"images/test{source}"
            translate_files(run, [images], folders[target, name], direction=source + target, maskers=[text])
    sets = ["real test", *MASKERS]
    for domain, first, second in product("AB", sets, sets):
        values = evaluate_folder(folders[domain, first], folders[domain, second], [metric]).record["values"]
        (value,) = values.values()
        found = record.values[distance_name(domain, first, second)]
        assert found == pytest.approx(value, rel=2e-3, abs=1e-6), (domain, first, second)
    assert record.values[distance_name("A", "scale 0.5", "all")] > 0.01


def test_a_symmetric_distance_gives_a_symmetric_matrix_with_a_zero_diagonal(bench: Bench) -> None:
    values = record_of(bench).values
    largest = max(value for name, value in values.items() if "|" in name)
    for domain, first, second in product("AB", MADE, MADE):
        one, other = values[distance_name(domain, first, second)], values[distance_name(domain, second, first)]
        assert one == pytest.approx(other, rel=1e-6, abs=1e-9 * largest)
        assert (abs(one) < 1e-9 * largest) == (first == second)


def test_a_record_says_what_was_compared(bench: Bench) -> None:
    record = record_of(bench)
    about = record.about[distance_name("B", "real train", "scale 0.5")]
    assert (about["metric"], about["value"]) == ("fd", "fd_squeezenet1_1")
    assert (about["n_fake"], about["n_real"]) == (9, 4)  # a translation into B begins in A
    assert record.about[distance_name("A", "scale 0.5", "real test")]["n_fake"] == 5
    assert about["sets"] == [{"real": "train"}, {"masker": MASKERS["scale 0.5"]}]
    assert record.metrics == [{**record.metrics[0], "metric": "fd", "weights": "squeeze.safetensors"}]
    assert {"fd_squeezenet1_1_AB", "fd_squeezenet1_1_BA"} <= set(record.values)  # as the run itself is measured
    assert {"mask_cyclegan", "maskers", "metrics"} <= set(record.plugins)


def test_a_set_that_fails_is_a_dash_with_its_reason_and_the_other_sets_are_measured(
    bench: Bench, tmp_path: Path, run: Run
) -> None:
    record = record_of(bench)
    assert record.status == "failed"
    for domain, first, second in product("AB", SETS, SETS):
        key = distance_name(domain, first, second)
        assert (key in record.values) == (first in MADE and second in MADE) == (key not in record.failed)
    assert (
        record.failed[distance_name("A", "real test", "held out")] == "held out: there are no images of A in validation"
    )
    assert (
        "given: maskers.input: it reads the data set's masks" in record.failed[distance_name("A", "given", "real test")]
    )
    assert str(tmp_path) not in bench.records.read_text()
    table = run("table", str(bench.file), "--data", str(tmp_path), "--format", "csv")[1].splitlines()
    assert table[0] == "," + ",".join(SETS) + ",notes"
    assert [line.count("—") for line in table[1:]] == [2, 2, 2, 2, 6, 6] * 2
    lines = {line.split(",")[1].strip(' "'): line for line in table[1:7]}
    assert f",{record.values[distance_name('A', 'scale 0.5', 'real test')]:.2f}," in lines["dark ones: scale 0.5"]
    assert "maskers.input: it reads the data set's masks" in lines["dark ones: real test"]


def test_a_distance_that_fails_is_a_dash_with_its_reason(
    bench: Bench, runs: Runs, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def compute(self: FD, rows: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, float]:
        if (len(rows["features"]), len(real["features"])) == (9, 4):  # training images; those of a test
            raise ZeroDivisionError("planted")
        return {"one": 0.25, "another": 7.0}

    monkeypatch.setattr(FD, "compute", compute)
    runner.run(bench, places(bench), jobs=1)
    record = record_of(bench)
    planted = {name for name, why in record.failed.items() if "compute failed: ZeroDivisionError: planted (" in why}
    assert planted == {
        distance_name("A", "real train", "real test"),
        *(distance_name("B", "real train", name) for name in MASKERS),
    }
    assert record.values[distance_name("A", "real test", "real train")] == 0.25  # the first of its values
    assert "— | 0.25 | 0.25 |" in run("table", str(bench.file), "--data", str(bench.file.parent))[1].replace(
        "<sup>1</sup>", ""
    )


def test_only_what_has_changed_is_measured_again(bench: Bench, runs: Runs, run: Run) -> None:
    folder, before = bench.file.parent, record_of(bench)
    whole = {name: SETS[name] for name in MADE}
    small = make_bench(folder, matrix={"sets": whole})
    assert "outdated" not in run("table", str(small.file), "--data", str(folder))[1]
    runner.run(small, places(small), jobs=1)  # a record of failures is tried again
    runner.run(small, places(small), jobs=1)
    assert runs.names == ["one-seed0"]
    assert record_of(small).status == "ok"
    assert {name: value for name, value in before.values.items() if name not in record_of(small).values} == {}
    other = make_bench(folder, matrix={"sets": {**whole, "all": {"masker": "round"}}})
    assert "outdated: changed since it was run: sets" in run("table", str(other.file), "--data", str(folder))[1]
    runner.run(other, places(other), jobs=1)
    assert runs.names == ["one-seed0"] * 2
    now = record_of(other).values
    assert {name for name in now if abs(now[name] - before.values[name]) > 1e-6} == {
        distance_name(domain, *pair)
        for domain in "AB"
        for pair in product(MADE, MADE)
        if "all" in pair and set(pair) != {"all"}
    }


def test_the_heat_map_is_written_beside_the_page_and_edits_are_detected(bench: Bench, run: Run) -> None:
    folder = bench.file.parent
    words = ("table", str(bench.file), "--data", str(folder))
    assert run(*words, "--check")[0] == 2
    assert run(*words, "--write")[0] == 0
    assert run(*words, "--check")[0] == 0
    drawn = folder / "spec.svg"
    texts = [one.text for one in ElementTree.parse(drawn).iter("{http://www.w3.org/2000/svg}text")]
    values = record_of(bench).values
    for domain, first, second in product("AB", MADE, MADE):
        assert f"{values[distance_name(domain, first, second)]:z.2f}" in texts
    assert texts.count("—") == 2 * (len(SETS) ** 2 - len(MADE) ** 2)
    text = drawn.read_text()
    drawn.write_text(text.replace(f"{values[distance_name('A', 'all', 'real test')]:.2f}", "0.01", 1))
    assert "spec.svg: it is not what the table's records give" in run(*words, "--check")[2]
    drawn.unlink()
    assert "spec.svg: it is not what the table's records give" in run(*words, "--check")[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"matrix": {"metric": "cycle_l1"}}, "matrix.metric: 'cycle_l1' reads no real images"),
        ({"matrix": {"metric": "swdd"}}, "unknown metric 'swdd'"),
        ({"matrix": {"sets": {**SETS, "all": {"masker": "ful"}}}}, "matrix.sets.all: masker: unknown masker 'ful'"),
        ({"matrix": {"sets": {**SETS, "all": {"masker": {"masker": "round", "scale": 9}}}}}, "matrix.sets.all: scale"),
        ({"set": ["method=cyclegan", "maskers=null"]}, "it has no masker in the roles input and composite"),
        ({"set": ["method=cut", "networks=null", "maskers=null"]}, "translates AB, not into A"),
    ],
)
def test_mistakes_are_reported_before_anything_is_run(
    made: Path, runs: Runs, changes: dict[str, Any], message: str
) -> None:
    bench = make_bench(made, **changes)
    error = refusal(runner.run, bench, places(bench), jobs=1)
    assert message in error
    assert runs.names == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"columns": [{"value": "x", "label": "x"}]}, "spec: a table has columns, or a matrix: give one of them"),
        ({"matrix": {"sets": {"one": {"real": "train"}}}}, "matrix.sets: it needs at least 2 of them, and has 1"),
        ({"matrix": {"sets": {**SETS, "all": {}}}}, "matrix.sets.all: a set is {real: train}"),
        (
            {"matrix": {"sets": {**SETS, "all": {"real": "all"}}}},
            "matrix.sets.all.real: it is 'all' (there are: test",
        ),
        ({"matrix": {"sets": {**SETS, "a|b": {"real": "test"}}}}, "matrix.sets.a|b"),
        ({"matrix": {"domains": {"C": "x"}}}, "matrix.domains.C"),
        ({"mean": True}, "mean: the mean over data sets needs two of them at least, and columns"),
        (
            {"matrix": {"metric": "swd, cycle_l1"}},
            "matrix.metric: it is one metric: NAME, or {metric: NAME",
        ),
        (
            {"data": {"x": {}, "y": {}}, "paper": {"protocol": "x", "values": {"one": {"A: all | real test": 1.0}}}},
            "paper: with several data sets the paper's values can be given for a single column only",
        ),
        (
            {"paper": {"protocol": "x", "values": {"one": {"A: al | real test": 1.0}}}},
            "there is no pair of sets 'A: al | real test' (did you mean 'A: all | real test'?)",
        ),
    ],
)
def test_mistakes_of_a_spec_are_reported_with_file_and_line(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    error = refusal(make_bench, tmp_path, **changes)
    assert message in error and f"{tmp_path / 'spec.yaml'}:" in error


def test_a_value_that_is_not_finite_is_a_dash(bench: Bench, run: Run) -> None:
    record = record_of(bench)
    key = distance_name("A", "all", "real test")
    spoiled = record.model_copy(update={"values": {**record.values, key: math.nan}})
    bench.records.write_text(spoiled.model_dump_json(exclude={"time"}).replace("null", "NaN") + "\n")
    output = run("table", str(bench.file), "--data", str(bench.file.parent))[1]
    assert f"{key} is not finite".replace("|", "\\|") in output
