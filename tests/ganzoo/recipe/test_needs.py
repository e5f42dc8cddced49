"""The section ``needs``: what counts, what is refused, and what is left out because the recipe does not refer to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ganzoo.recipe.needs import Need, read_needs
from ganzoo.recipe.quick_check import read_document
from ganzoo.recipe.yaml_document import Document
from tests.support.command_line import refusal

RECIPE: dict[str, Any] = {
    "data": {"root": "my data"},
    "images": {"size": 32},
    "maskers": {"a": {"weights": "runs/s/x"}},
}


def document(needs: Any, **sections: Any) -> Document:
    return Document({**RECIPE, **sections, "needs": needs}, {(): "r.yaml:1", ("needs",): "r.yaml:9"})


def test_a_recipe_with_overrides_of_its_own() -> None:
    entry = {"recipe": "s.yaml", "set": ["data.A={data.root}/trainB", "images.size={images.size}"], "demo": True}
    (need,) = read_needs(document({"runs/s/x": entry}), Path("recipes"))
    overrides = ("data.A=my data/trainB", "images.size=32")
    assert need == Need(Path("runs/s/x"), Path("recipes/s.yaml"), overrides, demo=True)
    assert read_needs(document({"runs/s/x": "s.yaml"}), Path("recipes"))[0].recipe == Path("recipes/s.yaml")


def test_the_words_of_a_command_keep_their_spaces_and_braces() -> None:
    entry = {"command": "bank build {data.root}/trainB --masker '{masker: colours, classes: {a: [1, 2, 3]}}'"}
    (need,) = read_needs(document({"banks/b": entry}, method={"bank": "banks/b"}), Path())
    assert need.command == ("bank", "build", "my data/trainB", "--masker", "{masker: colours, classes: {a: [1, 2, 3]}}")


def test_an_oblong_size_is_filled_in_as_one_word() -> None:
    entry = {"command": "bank build x --size {images.size}"}
    (need,) = read_needs(document({"banks/b": entry}, method={"bank": "banks/b"}, images={"size": [24, 40]}), Path())
    assert need.command == ("bank", "build", "x", "--size", "[24, 40]")


def test_only_folders_that_the_recipe_refers_to_are_needed() -> None:
    needs = {"runs/s/x": "s.yaml", "runs/s/y": "s.yaml", "banks/b": {"command": "bank build x"}}
    assert [need.path for need in read_needs(document(needs), Path())] == [Path("runs/s/x")]
    listed = document(needs, evaluate={"metrics": [{"metric": "m", "bank": "banks/b"}]})
    assert [need.path for need in read_needs(listed, Path())] == [Path("runs/s/x"), Path("banks/b")]
    assert read_needs(document({"runs/s/x": None}), Path()) == []  # as an override removes it


@pytest.mark.parametrize(
    ("path", "entry", "problem"),
    [
        ("runs/s/x", 5, "needs.runs/s/x: it must be {recipe: FILE"),
        ("runs/s/x", {"recipe": "s.yaml", "command": "bank build"}, "it must be {recipe: FILE"),
        ("runs/s/x", {"recipe": "s.yaml", "sets": []}, "it must be {recipe: FILE"),
        ("runs/s/x", {"recipe": "t.yaml"}, "a run of t.yaml is runs/t/NAME"),
        ("x", {"recipe": "s.yaml"}, "a run of s.yaml is runs/s/NAME"),
        ("/x", {"command": "bank build"}, "a folder below the working folder"),
        ("../x", {"command": "bank build"}, "a folder below the working folder"),
        ("x", {"command": "bank build -o y"}, "leave out -o and --fresh"),
        ("x", {"command": "bank build --fresh"}, "leave out -o and --fresh"),
        ("x", {"command": ""}, "leave out -o and --fresh"),
        ("x", {"command": "bank build {data.nowhere}"}, "it refers to {data.nowhere}, which the recipe does not set"),
        ("x", {"command": "bank build {data.root.deep}"}, "which the recipe does not set"),
    ],
)
def test_mistakes_name_their_place(path: str, entry: Any, problem: str) -> None:
    text = refusal(read_needs, document({path: entry}, method={"bank": path}), Path())
    assert text.startswith("r.yaml:9: needs.") and problem in text


def test_needs_must_be_a_mapping() -> None:
    assert refusal(read_needs, document(["x"]), Path()).startswith("r.yaml:9: needs: it must be a mapping")


class TestDemo:
    def test_it_is_merged_before_overrides_and_left_out(self, tmp_path: Path) -> None:
        file = tmp_path / "r.yaml"
        file.write_text("train: {steps: 9, lr: 1}\ndemo: {train: {steps: 2, batch: 3}}\nneeds: {}\n")
        assert read_document(file)[0].data == {"train": {"steps": 9, "lr": 1}}
        demo, _ = read_document(file, ["train.batch=4"], demo=True)
        assert demo.data == {"train": {"steps": 2, "lr": 1, "batch": 4}}
        assert demo.place(("train", "steps")).endswith("r.yaml:2")

    @pytest.mark.parametrize("text", ["a: 1", "demo:", "demo: 5"])
    def test_a_recipe_without_it_says_so(self, tmp_path: Path, text: str) -> None:
        (tmp_path / "r.yaml").write_text(text)
        assert "this recipe has no section 'demo'" in refusal(read_document, tmp_path / "r.yaml", demo=True)
