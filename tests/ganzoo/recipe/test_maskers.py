"""The maskers of a recipe: the roles they serve, and the errors for those that cannot."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from ganzoo.errors import GanzooError, MissingResourceError
from ganzoo.recipe.reader import read_recipe
from tests.support.stand_in_components import COMPLETE, mistakes, mistakes_of_section, read

pytestmark = pytest.mark.usefixtures("stand_ins")


def test_maskers_serve_roles() -> None:
    recipe = read(
        COMPLETE
        + dedent("""\
        maskers:
          discriminator: planes
          composite: {masker: planes, planes: 4, foreground: [1, 3]}
        """)
    )
    assert recipe.maskers["discriminator"].kind_options["foreground"] == ()
    assert recipe.maskers["composite"].kind_options["foreground"] == (1, 3)
    assert read(COMPLETE + "maskers: {discriminator: null}\n").maskers == {}


@pytest.mark.parametrize(
    ("masker", "message"),
    [
        ("discriminat: planes", "maskers.discriminat: unknown role 'discriminat' (did you mean 'discriminator'?)"),
        (
            "labels: planes",
            "maskers.labels: the method takes no mask in the role 'labels'; it takes: discriminator, composite",
        ),
        (
            "discriminator: {masker: planes, planes: 3}",
            "maskers.discriminator: the masker makes 3 planes, the role needs one: set for",
        ),
        (
            "discriminator: {masker: planes, planes: 3, foreground: [0, 3]}",
            "maskers.discriminator.foreground: there is no class 3; the masker makes 3 planes",
        ),
        (
            "discriminator: {masker: planes, foreground: [-1]}",
            "maskers.discriminator.foreground: there is no class -1; the masker",
        ),
        (
            "discriminator: {masker: planes, foreground: 1}",
            "maskers.discriminator.foreground: foreground is 1: input should be a list",
        ),
        ("discriminator: {masker: planes, planes: 10}", "maskers.discriminator: no more than 9 planes"),
        (
            "discriminator: {masker: planes, threshold: 2}",
            "maskers.discriminator.threshold: threshold is 2: input should be less than",
        ),
        (
            "discriminator: {masker: planes, soften: -1}",
            "maskers.discriminator.soften: soften is -1: input should be greater than",
        ),
        (
            "discriminator: {masker: planes, grow: 1.5}",
            "maskers.discriminator.grow: grow is 1.5: input should be a valid integer",
        ),
        (
            "discriminator: {masker: planes, foregruond: [0]}",
            "maskers.discriminator.foregruond: unknown option 'foregruond' (did you",
        ),
        ("discriminator: [planes]", "maskers.discriminator: it is ['planes']; a masker must be a mapping"),
    ],
)
def test_maskers_that_cannot_serve(masker: str, message: str) -> None:
    lines = mistakes_of_section(f"maskers:\n  {masker}\n")
    assert len(lines) == 1
    assert lines[0].startswith(f"r.yaml:5: {message}")


def test_the_role_labels_takes_several_planes() -> None:
    lines = mistakes("method: picky\ndata: striped_digits\nmaskers: {labels: {masker: planes, planes: 3}}\n")
    assert [line for line in lines if "maskers" in line] == []


@pytest.mark.parametrize(
    ("more", "error"), [("", MissingResourceError), ("images: {size: zero}\n", GanzooError)], ids=["missing", "wrong"]
)
def test_what_this_machine_lacks_is_told_by_the_class(tmp_path: Path, more: str, error: type[GanzooError]) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        "method: cyclegan\ndata: striped_digits\ntrain: {steps: 1}\n"
        f"maskers: {{discriminator: {{masker: unet, weights: {tmp_path}/absent}}}}\n{more}"
    )
    with pytest.raises(GanzooError, match="no such file or folder") as caught:
        read_recipe(recipe)
    assert type(caught.value) is error


@pytest.mark.parametrize("option", ["threshold: 0.5", "invert: true", "grow: 1", "soften: 1"])
def test_label_maps_take_no_options_of_masks(option: str) -> None:
    recipe = COMPLETE + f"maskers:\n  labels: {{masker: file, {option}}}\n"
    name = option.partition(":")[0]
    message = f"maskers.labels.{name}: its masks are label maps, whose pixels are classes"
    assert any(message in line for line in mistakes(recipe))


@pytest.mark.parametrize("option", ["threshold: 0.5", "invert: true", "grow: 1", "soften: 1"])
def test_a_combination_of_label_maps_takes_options_of_masks(option: str) -> None:
    """It makes masks of them: 1 for all classes but 0. The recipe's method alone has no use for them."""
    recipe = COMPLETE + f"maskers:\n  labels: {{masker: union, of: [file, file], {option}}}\n"
    (line,) = [line for line in mistakes(recipe) if "maskers.labels" in line]
    assert "maskers.labels: the method takes no mask in the role 'labels'" in line
