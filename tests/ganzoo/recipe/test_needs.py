"""The section ``needs``: what counts, what is refused, and what is left out because the recipe does not refer to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganzoo.recipe.needs import FORM, Need, read_needs
from ganzoo.recipe.quick_check import read_document
from ganzoo.recipe.yaml_document import Document, KeyPath, apply_overrides
from tests.support.command_line import refusal

RECIPE: dict[str, Any] = {
    "data": {"root": "my data"},
    "images": {"size": 32},
    "maskers": {"a": {"weights": "runs/s/x"}},
}


def document(needs: Any, **sections: Any) -> Document:
    places: dict[KeyPath, str] = {(): "r.yaml:1", ("needs",): "r.yaml:9"}
    return Document({**RECIPE, **sections, "needs": needs}, places, (Path("r.yaml"),))


def test_a_recipe_with_overrides_of_its_own() -> None:
    entry = {"recipe": "s.yaml", "set": ["data.A={data.root}/trainB", "images.size={images.size}"], "demo": True}
    (need,) = read_needs(document({"runs/s/x": entry}))
    overrides = ("data.A=my data/trainB", "images.size=32")
    assert need == Need(Path("runs/s/x"), Path("s.yaml"), overrides, demo=True)
    assert read_needs(document({"runs/s/x": "s.yaml"}))[0].recipe == Path("s.yaml")


@pytest.mark.parametrize("root", ["/tmp/photos #2", "a: b", "@home", "1:30", "it's", "true"])
def test_a_path_that_is_no_plain_word_of_yaml_is_passed_on_exactly(root: str) -> None:
    entry = {
        "recipe": "s.yaml",
        "set": ["data={root: {data.root}, A: '{data.root}/trainB'}", "data.B={data.root}/b", "x={'{data.root}/k': 1}"],
    }
    (need,) = read_needs(document({"runs/s/x": entry}, data={"root": root}))
    changed = apply_overrides(Document({}, {(): "s.yaml"}), need.overrides).data
    assert changed["x"] == {f"{root}/k": 1}
    assert changed["data"] == {"root": root, "A": f"{root}/trainB", "B": f"{root}/b"}


def test_the_words_of_a_command_keep_their_spaces_and_braces() -> None:
    entry = {"command": "bank build {data.root}/trainB --masker '{masker: colours, classes: {a: [1, 2, 3]}}'"}
    (need,) = read_needs(document({"banks/b": entry}, method={"bank": "banks/b"}))
    assert need.command == ("bank", "build", "my data/trainB", "--masker", "{masker: colours, classes: {a: [1, 2, 3]}}")


def test_an_oblong_size_is_filled_in_as_one_word() -> None:
    entry = {"command": "bank build x --size {images.size}"}
    (need,) = read_needs(document({"banks/b": entry}, method={"bank": "banks/b"}, images={"size": [24, 40]}))
    assert need.command == ("bank", "build", "x", "--size", "[24, 40]")


def test_only_folders_that_the_recipe_refers_to_are_needed() -> None:
    needs = {"runs/s/x": "s.yaml", "runs/s/y": "s.yaml", "banks/b": {"command": "bank build x"}}
    assert [need.path for need in read_needs(document(needs))] == [Path("runs/s/x")]
    listed = document(needs, evaluate={"metrics": [{"metric": "m", "bank": "banks/b"}]})
    assert [need.path for need in read_needs(listed)] == [Path("runs/s/x"), Path("banks/b")]
    assert read_needs(document({"runs/s/x": None})) == []  # as an override removes it


@pytest.mark.parametrize(
    ("path", "entry", "problem"),
    [
        ("runs/s/x", 5, "needs.runs/s/x: it is 5; it must be {recipe: FILE"),
        ("runs/s/x", {"recipe": "s.yaml", "command": "bank build"}, "it must be {recipe: FILE"),
        ("runs/s/x", {"recipe": "s.yaml", "sets": []}, "it must be {recipe: FILE"),
        ("runs/s/x", {"recipe": "t.yaml"}, "a run of t.yaml is runs/t/NAME"),
        ("x", {"recipe": "s.yaml"}, "a run of s.yaml is runs/s/NAME"),
        ("/x", {"command": "bank build"}, "a folder below the working folder"),
        ("../x", {"command": "bank build"}, "a folder below the working folder"),
        ("./", {"command": "bank build"}, "a folder below the working folder"),
        ("x", {"command": "bank build -o y"}, "leave out -o and --fresh"),
        ("x", {"command": "bank build --fresh"}, "leave out -o and --fresh"),
        ("x", {"command": ""}, "leave out -o and --fresh"),
    ],
)
def test_mistakes_name_their_place(path: str, entry: Any, problem: str) -> None:
    text = refusal(read_needs, document({path: entry}, method={"bank": path}))
    assert text.startswith("r.yaml:9: needs.") and problem in text


@pytest.mark.parametrize("key", ["data.nowhere", "data.root.deep", "maskers.a"])
def test_a_need_that_refers_to_a_value_that_is_not_set_has_a_problem(key: str) -> None:
    entries = {
        "runs/s/x": {"recipe": "s.yaml", "set": [f"data.A={{{key}}}"]},
        "b": {"command": f"bank build {{{key}}}"},
    }
    for path, entry in entries.items():
        (need,) = read_needs(document({path: entry}, method={"bank": "b"}))
        problem = f"it refers to {{{key}}}, which the recipe does not set; set it, or make {path} yourself"
        assert need.problem == f"r.yaml:9: needs.{path}: {problem}"


@pytest.mark.parametrize(
    "entry",
    [
        {"recipe": 5},
        {"recipe": ""},
        {"recipe": None},
        {"recipe": "s.yaml", "set": "train.steps=5"},
        {"recipe": "s.yaml", "set": [5]},
        {"recipe": "s.yaml", "set": {"train.steps": 5}},
        {"recipe": "s.yaml", "demo": "no"},
        {"command": 5},
        {"command": ["bank", "build"]},
        {"command": "bank build x", "demo": True},
        {"command": "bank build x", "set": ["train.steps=5"]},
        {},
        "",
        [],
        0,
        False,
    ],
)
def test_values_of_other_types_are_refused(entry: Any) -> None:
    text = refusal(read_needs, document({"runs/s/x": entry}))
    assert text == f"r.yaml:9: needs.runs/s/x: it is {entry!r}; it must be {FORM}"


@pytest.mark.parametrize(
    ("command", "problem"),
    [("bank build 'a", "no closing quotation"), ("bank build a\\", "no escaped character")],
)
def test_a_command_that_cannot_be_split_names_its_place(command: str, problem: str) -> None:
    text = refusal(read_needs, document({"b/c": {"command": command}}, method={"bank": "b/c"}))
    assert text == f"r.yaml:9: needs.b/c: command is {command!r}: {problem}"


def test_null_is_as_if_it_was_not_there() -> None:
    for entry in ({"recipe": "s.yaml", "set": None, "demo": None}, {"recipe": "s.yaml", "command": None}):
        assert read_needs(document({"runs/s/x": entry})) == [Need(Path("runs/s/x"), Path("s.yaml"))]


@pytest.mark.parametrize(("key", "value"), [("./runs/s/y", "runs/s/y"), ("runs/s/y", "./runs//s/y/")])
def test_folders_are_compared_as_paths(key: str, value: str) -> None:
    needs = read_needs(document({key: "s.yaml"}, train={"start": value}))
    assert needs == [Need(Path("runs/s/y"), Path("s.yaml"))]


def test_needs_must_be_a_mapping() -> None:
    assert refusal(read_needs, document(["x"])).startswith("r.yaml:9: needs: it must be a mapping")


@pytest.mark.parametrize("entry", ["s.yaml", "{recipe: s.yaml, demo: false}"])
@pytest.mark.parametrize("demo", [False, True])
def test_a_recipe_is_found_beside_the_file_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str, demo: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("recipes").mkdir()
    needs = f"needs: {{runs/s/x: {entry}}}"
    Path("recipes/base.yaml").write_text(f"demo: {{{needs}}}\n" if demo else f"{needs}\ndemo: {{}}\n")
    Path("mine.yaml").write_text("base: recipes/base.yaml\ntrain: {start: runs/s/x}\n")
    (need,) = read_document(Path("mine.yaml"), demo=demo)[1]
    assert need.recipe == Path("recipes/s.yaml")
    (changed,) = read_document(Path("mine.yaml"), ["needs.runs/s/x={recipe: s.yaml}"], demo=demo)[1]
    assert changed.recipe == Path("s.yaml")


def test_a_base_keeps_its_folder_where_the_recipe_changes_other_keys(tmp_path: Path) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "far/base.yaml").write_text("needs: {runs/s/x: {recipe: s.yaml}, runs/s/y: {recipe: s.yaml}}\n")
    (tmp_path / "r.yaml").write_text(
        "base: far/base.yaml\ntrain: {start: runs/s/x, other: runs/s/y}\n"
        "needs: {runs/s/x: {set: [a=1]}, runs/s/y: {recipe: s.yaml}}\n"
    )
    first, second = read_document(tmp_path / "r.yaml", ["needs.runs/s/x.demo=true"])[1]
    assert (first.recipe, first.overrides, first.demo) == (tmp_path / "far/s.yaml", ("a=1",), True)
    assert second.recipe == tmp_path / "s.yaml"


class TestDemo:
    def test_it_is_merged_before_overrides_and_left_out(self, tmp_path: Path) -> None:
        file = tmp_path / "r.yaml"
        file.write_text("train: {steps: 9, lr: 1}\ndemo: {train: {steps: 2, batch: 3}}\nneeds: {}\n")
        assert read_document(file)[0].data == {"train": {"steps": 9, "lr": 1}}
        demo, _ = read_document(file, ["train.batch=4"], demo=True)
        assert demo.data == {"train": {"steps": 2, "lr": 1, "batch": 4}}
        assert demo.place(("train", "steps")).endswith("r.yaml:2")

    @pytest.mark.parametrize("demo", [True, False])
    @pytest.mark.parametrize(
        ("override", "own"),
        [
            ("demo.train.steps=7", "train.steps=7"),
            ("demo.trian.steps=5", "trian.steps=5"),
            ("demo={train: {steps: 5}}", "train.steps=7"),
            ("demo=null", "train.steps=7"),
        ],
    )
    def test_an_override_of_it_is_refused(self, tmp_path: Path, demo: bool, override: str, own: str) -> None:
        (tmp_path / "r.yaml").write_text("train: {steps: 9}\ndemo: {train: {steps: 2}}\n")
        text = refusal(read_document, tmp_path / "r.yaml", [override], demo=demo)
        assert text.startswith(f"command line: {override!r} has no effect: ") and text.endswith(f"itself: {own}")

    @pytest.mark.parametrize("text", ["a: 1", "demo:", "demo: 5"])
    def test_a_recipe_without_it_says_so(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "r.yaml").write_text(text)
        assert "this recipe has no section 'demo'" in refusal(read_document, tmp_path / "r.yaml", demo=True)


class TestOverridesOfNeeds:
    @pytest.fixture
    def recipe(self, tmp_path: Path) -> Path:
        (tmp_path / "r.yaml").write_text("train: {start: runs/s/x}\nneeds: {runs/s/x: s.yaml, runs/s/y: s.yaml}\n")
        return tmp_path / "r.yaml"

    def test_they_change_or_remove_what_is_used(self, recipe: Path) -> None:
        change = ["needs.runs/s/x.recipe=s.yaml", "needs.runs/s/x.demo=true"]
        assert read_document(recipe, change)[1] == [Need(Path("runs/s/x"), recipe.parent / "s.yaml", demo=True)]
        assert read_document(recipe, ["needs.runs/s/x=null"])[1] == []
        assert read_document(recipe, ["needs=null"])[1] == []

    @pytest.mark.parametrize("change", ["needs.foo=bar", "needs.runs/s/y=s.yaml", "needs.runs/s/y.demo=true"])
    def test_one_without_effect_is_refused(self, recipe: Path, change: str) -> None:
        text = refusal(read_document, recipe, [change])
        assert text.startswith(f"command line: {change!r} has no effect: no value of the recipe is the folder")
        assert "runs/s/x" in text
