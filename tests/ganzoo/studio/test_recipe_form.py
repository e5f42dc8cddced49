"""Recipes from the fields of a form."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ganzoo.recipe.reader import read_recipe
from ganzoo.studio.recipe_form import (
    MethodPlaces,
    check_text,
    component_entry,
    component_names,
    fields_of,
    method_places,
    recipe_text,
    write_recipe,
)
from tests.support.command_line import refusal
from tests.support.tiny_run import make_images


def test_a_field_for_each_option_with_its_type_and_default() -> None:
    fields = {field.name: field for field in fields_of("generator", "resnet")}
    assert fields["width"].about == "int ≥ 1; default 64" and fields["width"].choices == ()
    fields = {field.name: field for field in fields_of("method", "cyclegan")}
    assert "default lsgan" in fields["gan"].about
    fields = {field.name: field for field in fields_of("settings", "images")}
    assert fields["fit"].choices == ("stretch", "cover", "crop", "none") and fields["flip"].choices == ("true", "false")
    assert [field.name for field in fields_of("dataset", "folders") if field.required] == []
    assert {"weight", "phase"} <= {field.name for field in fields_of("loss", "l1")}


@pytest.mark.parametrize("name", component_names("method"))
def test_every_method_has_a_form(name: str) -> None:
    places = method_places(name)
    assert set(places.required) <= set(places.roles)
    for kind, default in places.networks.values():
        assert default in component_names(kind)
        assert fields_of(kind, default)


def test_the_places_of_a_method() -> None:
    expected = MethodPlaces(
        {"G": ("generator", "resnet"), "D": ("discriminator", "patch")},
        ("discriminator", "composite"),
        ("discriminator",),
    )
    assert method_places("smcyclegan") == expected


def test_a_form_makes_a_recipe_that_is_read(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images")
    sections = {
        "method": component_entry("method", "smcyclegan", {"cycle": "5", "pooled": "raw", "gan": ""}),
        "networks": {"G": component_entry("generator", "resnet", {"width": "4", "blocks": "1"})},
        "maskers": {"discriminator": component_entry("masker", "round", {"scale": "0.5"})},
        "losses": {},
        "data": component_entry("dataset", "folders", {"root": str(images)}),
        "images": component_entry("settings", "", {"size": "[32, 24]", "flip": "false"}),
        "train": component_entry("settings", "", {"steps": "3", "lr": "1e-4"}),
    }
    text = recipe_text(sections)
    assert "losses" not in text
    assert yaml.safe_load(text)["maskers"] == {"discriminator": {"masker": "round", "scale": 0.5}}
    good, printed = check_text(text, "mine", tmp_path / "checked")
    assert good, printed
    file = write_recipe(text, "mine", tmp_path / "recipes")
    recipe = read_recipe(file)
    assert (recipe.images.shape, recipe.train.steps, recipe.train.lr) == ((32, 24), 3, 1e-4)
    assert recipe.method.options["cycle"] == 5
    expected = f"{file}: it exists already; choose another name"
    assert refusal(write_recipe, text, "mine", tmp_path / "recipes") == expected


def test_mistakes_are_told_with_their_lines(tmp_path: Path) -> None:
    text = "method: {method: cyclgan}\ndata: {dataset: folders, root: nowhere}\ntrain: {steps: -1}\n"
    good, printed = check_text(text, "mine", tmp_path / "checked")
    assert not good
    assert printed.splitlines()[0].startswith("mine.yaml:1: ") and "did you mean 'cyclegan'" in printed
    assert any(line.startswith("mine.yaml:3: ") for line in printed.splitlines())
    assert "Traceback" not in printed and str(tmp_path) not in printed


def test_a_base_is_relative_to_the_folder_of_the_recipes_which_stays_as_it_is(
    tmp_path: Path, checked_here: None
) -> None:
    images, target = make_images(tmp_path / "images"), tmp_path / "recipes"
    base = f"method: cyclegan\ndata: {{dataset: folders, root: {images}}}\nimages: {{size: 24}}\ntrain: {{steps: 3}}\n"
    write_recipe(base, "first", target)
    write_recipe(base.replace("cyclegan", "cyclgan"), "wrong", target)
    good, printed = check_text("base: first.yaml\n", "mine", target)
    assert good, printed
    good, printed = check_text("base: wrong.yaml\ntrain: {batch: -1}\n", "mine", target)
    assert not good
    first, second = printed.splitlines()
    assert first.startswith("mine.yaml:2: ") and second.startswith(f"{target}/wrong.yaml:1: ")
    good, printed = check_text("base: none.yaml\n", "mine.yaml", target)
    assert (good, printed) == (False, f"mine.yaml:1: no such recipe: {target}/none.yaml")
    assert sorted(file.name for file in target.iterdir()) == ["first.yaml", "wrong.yaml"]
    for other in (tmp_path / "missing", target / "first.yaml"):  # no folder that can be written
        assert check_text(base, "mine", other)[0]
    assert not (tmp_path / "missing").exists()


def test_a_value_that_is_no_yaml_is_named() -> None:
    problem = refusal(component_entry, "method", "cyclegan", {"cycle": "[1"})
    assert problem.startswith("method cyclegan, cycle: '[1' is not YAML: ")


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".x"])
def test_a_recipe_is_written_in_its_folder_alone(name: str, tmp_path: Path) -> None:
    expected = f"name: {name!r} must be a file's name, without a folder and without .yaml"
    assert refusal(write_recipe, "", name, tmp_path / "recipes") == expected
    assert not (tmp_path / "recipes").exists()
