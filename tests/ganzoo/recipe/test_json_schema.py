"""The JSON schema of recipes: it accepts what the reader accepts, and refuses mistakes that the reader refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonschema import Draft7Validator
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Loss, Method, Slot
from ganzoo.plugins import plugins
from ganzoo.recipe.json_schema import recipe_schema
from ganzoo.recipe.quick_check import SETTINGS
from ganzoo.recipe.reader import read_recipe
from ganzoo.recipe.yaml_document import read_yaml
from ganzoo.registry import Component
from ganzoo.step import Step

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted((ROOT / "recipes").glob("*.yaml"))
WHOLE = """\
method: {method: cyclegan, cycle: 10, gan: {loss: lsgan, real_label: 0.9}}
networks:
  G: {generator: resnet, blocks: 2}
  G_BA: {width: 8}
  D: patch
maskers:
  composite: {masker: centered_square, invert: yes, soften: 1}
losses:
  smooth: {loss: total_variation, of: fake_B, weight: 0.1}
  colours: {loss: l1, of: {image: fake_B, target: real_A}, phase: generator}
data: striped_digits
images: {size: 32, flip: no}
train: {steps: 4, batch: 2, lr: 2e-4, trackers: [tensorboard]}
evaluate: {metrics: [cycle_l1, {metric: swd}], every: 2, best: min cycle_l1_AB}
needs:
demo: {train: {steps: 1}, networks: {G: {width: 4}}, losses: {smooth: null}}
"""
DERIVED = "base: whole.yaml\nnetworks: {G_AB: {width: 4}}\nlosses: {smooth: {weight: 2}, colours: null}\n"
MISTAKES = {
    "an unknown section": "trian={steps: 2}",
    "a section that is a list": "train=[steps]",
    "an unknown setting": "train.stepps=2",
    "a setting of another type": "train.steps=many",
    "a setting out of its range": "images.rotate=200",
    "a setting below its range": "train.batch=0",
    "a setting at its open bound": "train.ema=1",
    "a word that is no choice": "train.precision=fp64",
    "true for a number": "train.log=true",
    "a fraction for a whole number": "evaluate.every=1.5",
    "too many sides": "images.size=[32, 32, 32]",
    "an unknown tracker": "train.trackers=[tensorbord]",
    "an unknown method": "method=cycle_gan",
    "an unknown option of the method": "method.cycles=10",
    "a wrong setting of the adversarial loss": "method.gan={loss: lsgan, real=0.9: 1}",
    "an unknown generator": "networks.G={generator: resnett}",
    "an option of another generator": "networks.G={generator: resnet, levels: 5}",
    "a generator in a discriminator's slot": "networks.D=resnet",
    "a wrong value of an inherited component's option": "networks.G_BA={width: wide}",
    "a slot that the method has not": "networks.S={width: 8}",
    "an unknown role": "maskers.foreground=centered_square",
    "an option that the masker has not": "maskers.composite.size=2",
    "a wrong post-processing of a mask": "maskers.composite.threshold=2",
    "an input that the loss has not": "losses.colours.of={image: fake_B, traget: real_A}",
    "an input that is missing": "losses.colours.of=fake_B",
    "a weight that is no number": "losses.smooth.weight=heavy",
    "a data set without what it requires": "data=npz",
    "a component without its name": "data={root: photos, size: 2}",
    "changes beside a command": "needs={cyclegan: {command: bank build photos, set: [a=1]}}",  # a folder of that name
    "an unknown metric": "evaluate.metrics=[cycle_l2]",
    "a metric that is no list": "evaluate.metrics=cycle_l1",
}


@pytest.fixture(scope="module")
def validator() -> Draft7Validator:
    return Draft7Validator(json.loads((ROOT / "recipes/schema.json").read_text()))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("recipes") / "whole.yaml"
    file.write_text(WHOLE)
    return file


def test_the_schema_in_recipes_is_that_of_the_bundled_components() -> None:
    bundled = {plugin.name for plugin in plugins().loaded if plugin.bundled}
    parts = [part for part in plugins().registry.find() if part.plugin in bundled]
    warnings: list[str] = []
    schema = recipe_schema(parts, warnings.append)
    assert warnings == []
    again = "write it anew: ganzoo schema --bundled -o recipes/schema.json"
    assert json.loads((ROOT / "recipes/schema.json").read_text()) == schema, again
    Draft7Validator.check_schema(schema)


def test_each_reference_leads_to_a_definition(validator: Draft7Validator) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            yield from [value["$ref"]] if "$ref" in value else []
            value = list(value.values())
        for one in value if isinstance(value, list) else ():
            yield from references(one)

    schema = validator.schema
    assert isinstance(schema, dict)
    used = {one.removeprefix("#/definitions/") for one in references(schema)}
    assert used == set(schema["definitions"])


def test_each_option_is_described(validator: Draft7Validator) -> None:
    schema = validator.schema
    assert isinstance(schema, dict)
    sections = {name: one for name, one in schema["definitions"].items() if name in SETTINGS or "." in name}
    options = [
        (name, option, described)
        for name, one in sections.items()
        if not name.startswith(("part.", "options.", "names.", "networks.", "inner."))
        for option, described in one["properties"].items()
        if "const" not in described
    ]
    assert len(options) > 300
    assert [(name, option) for name, option, described in options if not described.get("description")] == []


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.stem)
def test_a_shipped_recipe_names_the_schema_and_is_valid(recipe: Path, validator: Draft7Validator) -> None:
    assert recipe.read_text().splitlines()[1] == "# yaml-language-server: $schema=schema.json"
    assert [error.message for error in validator.iter_errors(read_yaml(recipe).data)] == []


def test_a_resolved_recipe_is_valid(whole: Path, validator: Draft7Validator) -> None:
    resolved = read_recipe(whole).resolved()
    assert [error.message for error in validator.iter_errors(resolved)] == []


@pytest.mark.parametrize("text", [WHOLE, DERIVED], ids=["whole", "derived"])
def test_the_forms_that_the_reader_takes_are_valid(text: str, whole: Path, validator: Draft7Validator) -> None:
    file = whole.with_name("derived.yaml") if text == DERIVED else whole
    file.write_text(text)
    read_recipe(file)
    assert [error.message for error in validator.iter_errors(read_yaml(file).data)] == []


@pytest.mark.parametrize("change", MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_refused_by_the_schema_and_by_the_reader(
    change: str, whole: Path, validator: Draft7Validator
) -> None:
    data = read_yaml(whole).data
    assert validator.is_valid(data)
    key, _, value = change.partition("=")
    *path, last = key.split(".")
    section = data
    for one in path:
        section = section[one]
    section[last] = yaml.safe_load(value)
    assert not validator.is_valid(data)
    broken = whole.with_name("broken.yaml")
    broken.write_text(yaml.safe_dump(data))
    with pytest.raises(GanzooError):
        read_recipe(broken)


class TwoSwitches(Method):
    """A method whose slots depend on an option."""

    def __init__(self, *, guided: bool = False, bank: str = "") -> None:
        self.slots = {"G_AB": Slot("generator", ("A",), "B")} | (
            {"D_guide": Slot("discriminator", ("B",))} if guided else {}
        )
        self.optims, self.phases, self.tensors = {}, [], {}

    def forward(self, step: Step) -> None: ...


class NeedsABank(TwoSwitches):
    def __init__(self, *, bank: Path) -> None:
        raise AssertionError("a method with a required option is not constructed")


class Tint(Loss):
    """Tint."""

    def __init__(self, *, hue: object = None) -> None:
        super().__init__()

    def forward(self, *, image: Tensor | None = None) -> Tensor:
        return torch.zeros(())


def test_other_packages_components_are_described() -> None:
    parts = [
        Component("dataset", "striped_digits", "ganzoo_digits.dataset:StripedDigits", "digits"),
        Component("generator", "resnet", "ganzoo_cyclegan.resnet:ResNet", "cyclegan"),
        Component("discriminator", "patch", "ganzoo_cyclegan.patch:Patch", "cyclegan"),
        Component("loss", "tint", Tint, "mine"),
        Component("method", "guided", TwoSwitches, "mine"),
        Component("method", "banked", NeedsABank, "mine"),
        Component("masker", "gone", "no_such_package:Gone", "mine"),
    ]
    warnings: list[str] = []
    validator = Draft7Validator(recipe_schema(parts, warnings.append))
    assert len(warnings) == 1
    assert "masker 'gone' of plugin 'mine' cannot be imported" in warnings[0]

    def valid(**changes: Any) -> bool:
        return bool(validator.is_valid({"method": "guided", "data": "striped_digits", **changes}))

    assert valid(networks={"D_guide": "patch", "G": {"blocks": 2}})
    assert not valid(networks={"D_other": "patch"})
    assert valid(method={"method": "banked", "bank": "b"}, networks={"D_other": {"discriminator": "patch"}})
    assert not valid(method="banked")  # its bank is missing
    assert valid(maskers={"input": {"masker": "gone", "any": 1}})
    assert not valid(maskers={"input": "centered_square"})
    assert not valid(evaluate={"metrics": ["swd"]})  # there are no metrics
