"""Recipes: every mistake is reported at once with its place, and a resolved recipe reproduces itself."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ganzoo.recipe.discriminator_options import DiscriminatorOptions
from ganzoo.recipe.options import options_of
from ganzoo_cyclegan.patch import Patch
from tests.support.stand_in_components import COMPLETE, mistakes, mistakes_of_section, read, write

pytestmark = pytest.mark.usefixtures("stand_ins")


def test_a_recipe_consists_of_checked_parts() -> None:
    recipe = read(
        """\
        method: {method: cyclegan, cycle: 1e1, without: [identity_A]}
        networks:
          G: {generator: resnet, blocks: 2}
          G_BA: unet
        data: striped_digits
        train: {epochs: 3, lr: 1e-3}
        evaluate: {metrics: [cycle_l1, {metric: share, of: 2}], every: 5, best: min cycle_l1}
        """
    )
    assert recipe.name == "r"
    assert recipe.method.options["cycle"] == 10.0
    assert recipe.networks["G_AB"].options["blocks"] == 2
    assert recipe.networks["G_BA"].component.name == "unet"
    assert recipe.networks["D_A"].component.name == "patch"
    assert [part.component.name for part in recipe.metrics] == ["cycle_l1", "share"]
    assert recipe.metrics[1].options == {"of": 2.0}
    assert recipe.train.lr == 1e-3
    assert (recipe.evaluate.every, recipe.evaluate.best) == (5, "min cycle_l1")
    assert recipe.data.make().count("test", "A") == 600


def test_five_mistakes_give_five_lines() -> None:
    assert mistakes(
        """\
        method: {method: cyclegan, gan: lsgam}
        networks:
          G:
            generator: resnt
        data: {dataset: striped_digits, sise: 32}
        train: {epochs: two}
        losess: {}
        """
    ) == [
        "r.yaml:1: method.gan: gan is 'lsgam' (did you mean 'lsgan'?)",
        "r.yaml:4: networks.G.generator: unknown generator 'resnt' (did you mean 'resnet'?)",
        "r.yaml:5: data.sise: unknown option 'sise' (did you mean 'size'?)",
        "r.yaml:6: train.epochs: epochs is 'two': input should be a valid integer, unable to parse string as an "
        "integer",
        "r.yaml:7: losess: unknown key 'losess' (did you mean 'losses'?)",
    ]


def test_an_unknown_method_hides_no_other_mistake() -> None:
    assert mistakes(
        """\
        method: {method: cyclegann}
        networks: {G: {generator: resnet, bloks: 1}, D: {discriminator: patch, layers: 99}}
        maskers: {discriminator: {masker: plains}, discriminater: planes}
        losses: {x: {loss: l1, of: fake_B, wait: 2}}
        data: {dataset: folderz}
        train: {steps: 1}
        evaluate: {metrics: [cycle_l2]}
        """
    ) == [
        "r.yaml:1: method.method: unknown method 'cyclegann' (did you mean 'cyclegan'?)",
        "r.yaml:2: networks.G.bloks: unknown option 'bloks' (did you mean 'blocks'?)",
        "r.yaml:2: networks.D.layers: layers is 99: input should be less than or equal to 8",
        "r.yaml:3: maskers.discriminator.masker: unknown masker 'plains' (did you mean 'planes'?)",
        "r.yaml:3: maskers.discriminater: unknown role 'discriminater' (did you mean 'discriminator'?)",
        "r.yaml:4: losses.x.wait: unknown option 'wait' (did you mean 'weight'?)",
        "r.yaml:5: data.dataset: unknown dataset 'folderz' (did you mean 'folders'?)",
        "r.yaml:7: evaluate.metrics.0.metric: unknown metric 'cycle_l2' (did you mean 'cycle_l1'?)",
    ]


def test_missing_sections_are_reported() -> None:
    assert mistakes("images: {size: 8}\n") == [
        "r.yaml:1: recipe: the key 'method' is missing: method: {method: …}",
        "r.yaml:1: recipe: the key 'data' is missing: data: {dataset: …}",
        "r.yaml:1: train: missing training length: set 'epochs' or 'steps'",
    ]
    assert mistakes("method:\ndata: 5\ntrain: {steps: 1}\n") == [
        "r.yaml:1: method: it is None; a method must be a mapping: {method: NAME, option: value, …}",
        "r.yaml:2: data: it is 5; a dataset must be a mapping: {dataset: NAME, option: value, …}",
    ]


def test_a_missing_section_is_reported_in_the_file_whatever_the_overrides() -> None:
    assert mistakes("method: cyclegan\n", "train.steps=4") == [
        "r.yaml:1: recipe: the key 'data' is missing: data: {dataset: …}"
    ]


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ("train: {steps: 1, epochs: 1}", "train.steps: both 'epochs' and 'steps' are set: remove one, or set it to 0"),
        ("train: {steps: 0}", "train: missing training length: set 'epochs' or 'steps'"),
        ("train: 5", "train: train is 5; it must be a mapping"),
        ("train: {steps: 1, lr: 0}", "train.lr: lr is 0: input should be greater than 0"),
        ("train: {steps: 1, prcision: bf16}", "train.prcision: unknown option 'prcision' (did you mean 'precision'?)"),
        ("train: {steps: 1, precision: bf17}", "train.precision: precision is 'bf17' (did you mean 'bf16'?)"),
    ],
)
def test_wrong_training_settings_are_reported_with_their_place(section: str, message: str) -> None:
    lines = mistakes("method: cyclegan\ndata: striped_digits\n" + section + "\n")
    assert lines[0] == f"r.yaml:3: {message}"


@pytest.mark.parametrize(
    ("section", "message"),
    [
        (
            "images: {size: 32, load: 16}",
            "images.size: load is 16, smaller than size (32); set load to 32 or more, or to 0 for",
        ),
        ("images: [32]", "images: images is [32]; it must be a mapping"),
        ("evaluate: {best: min kid, every: 1}", "evaluate.best: best needs a metric: add one to evaluate.metrics"),
        (
            "evaluate: {best: kid, every: 1, metrics: [share]}",
            "evaluate.best: best is 'kid'; it must be 'min NAME' or 'm",
        ),
        (
            "evaluate: {best: min kid, metrics: [share]}",
            "evaluate.best: best needs 'every', the steps between evaluations",
        ),
        (
            "evaluate: {metrics: share}",
            "evaluate.metrics: it is 'share'; it must be a list of names or {metric: NAME, …}",
        ),
        ("evaluate: {metrics: [5]}", "evaluate.metrics.0: it is 5; a metric must be a mapping: {metric: NAME, o"),
        ("evaluate: {metrics: [{metric: share, oof: 1}]}", "evaluate.metrics.0.oof: unknown option 'oof' (did you"),
        ("evaluate: {metrics: [{of: 1}]}", "evaluate.metrics.0: the key 'metric', which names the component, is miss"),
        ("base: 5", "r.yaml:4: base is 5; it must be the path of another recipe"),
    ],
)
def test_wrong_other_sections_are_reported_with_their_place(section: str, message: str) -> None:
    lines = mistakes_of_section(section)
    assert len(lines) == 1
    assert lines[0].startswith(message if message.startswith("r.yaml") else f"r.yaml:4: {message}")


@pytest.mark.parametrize("name", ["networks", "maskers", "losses", "images", "evaluate"])
def test_an_empty_section_means_the_same_as_no_section(name: str) -> None:
    assert read(COMPLETE + f"{name}:\n").resolved() == read(COMPLETE).resolved()


def test_a_misspelt_or_wrong_kind_is_reported() -> None:
    assert mistakes_of_section("maskers: {discriminator: {maskr: planes}}") == [
        "r.yaml:4: maskers.discriminator: the key 'masker', which names the component, is missing (is 'maskr' a typo?)"
    ]
    assert mistakes_of_section("maskers: {discriminator: {loss: l1}}") == [
        "r.yaml:4: maskers.discriminator: the key 'masker', which names the component, is missing; it names a loss"
    ]


def test_a_missing_required_option_is_reported() -> None:
    assert mistakes("method: cyclegan\ntrain: {steps: 1}\ndata:\n  dataset: pairs\n") == [
        "r.yaml:3: data: the option 'root' (Path) is missing"
    ]


def test_an_error_of_a_methods_constructor_has_a_place() -> None:
    text = "data: striped_digits\ntrain: {steps: 1}\nmethod: {method: picky, colour: octarine}\n"
    assert mistakes(text) == ["r.yaml:3: method: colour: nobody can see octarine"]


def test_components_written_as_plain_names_take_overrides() -> None:
    text = "method: cyclegan\ndata: striped_digits\nnetworks: {G_AB: unet}\ntrain: {steps: 1}\n"
    recipe = read(text, "method.cycle=3", "data.size=40", "networks.G_AB.width=8", "networks.D=pixel")
    assert recipe.method.options["cycle"] == 3.0
    assert recipe.data.options["size"] == 40
    assert recipe.networks["G_AB"].resolved()["generator"] == "unet"
    assert recipe.networks["G_AB"].options["width"] == 8
    assert recipe.networks["D_B"].component.name == "pixel"
    assert mistakes(text, "networks.G_AB.widht=8") == [
        "command line: networks.G_AB.widht=8: networks.G_AB.widht: unknown option 'widht' (did you mean 'width'?)"
    ]


def test_a_recipe_inherits_from_its_base() -> None:
    write(
        "method: {method: cyclegan, cycle: 3}\nnetworks: {G: {generator: resnet, blocks: 2}}\n"
        "data: striped_digits\ntrain: {steps: 5}\n",
        "ground.yaml",
    )
    recipe = read("base: ground.yaml\nmethod: {identity: 0}\nnetworks: {G: {generator: unet}}\n", "train.batch=4")
    assert recipe.name == "r"
    assert (recipe.method.options["cycle"], recipe.method.options["identity"]) == (3.0, 0.0)
    assert recipe.networks["G_AB"].component.name == "unet"
    assert (recipe.train.steps, recipe.train.batch) == (5, 4)
    assert mistakes("base: ground.yaml\n\ntrain: {batch: 0}\nmethod: {cicle: 1}\n", "train.lr=x") == [
        "r.yaml:3: train.batch: batch is 0: input should be greater than or equal to 1",
        "r.yaml:4: method.cicle: unknown option 'cicle' (did you mean 'cycle'?)",
        "command line: train.lr=x: train.lr: lr is 'x': input should be a valid number, unable to parse string as "
        "a number",
    ]


def test_a_length_on_the_command_line_replaces_that_of_the_file() -> None:
    recipe = read("method: cyclegan\ndata: striped_digits\ntrain: {epochs: 100}\n", "train.steps=5")
    assert (recipe.train.steps, recipe.train.epochs) == (5, 0)


@pytest.mark.parametrize(
    "text",
    [
        COMPLETE,
        """\
        method: {method: cyclegan, cycle: {A: 1, B: 2e-1}, without: [identity_A, identity_B], pool: 0, gan: wgan-gp}
        networks: {G: {generator: resnet, norm: none, upsample: resize}, D_A: pixel}
        maskers: {discriminator: {masker: planes, planes: 3, foreground: [0, 2]}, composite: planes}
        losses: {x: {loss: l1, of: {image: fake_B, target: real_B}, weight: 1e-3}, y: {loss: sloppy, of: fake_A}}
        data: {dataset: pairs, root: "on"}
        images: {size: 48, load: 50, rotate: 5, color: 1e-1}
        train: {epochs: 2, accumulate: 2, precision: bf16, ema: 0.99, trackers: [tensorboard]}
        evaluate: {metrics: [cycle_l1, {metric: share, of: 3}], every: 5, best: max cycle_l1}
        """,
    ],
)
def test_a_resolved_recipe_reproduces_itself(text: str) -> None:
    first = read(text)
    written = yaml.safe_dump(first.resolved(), sort_keys=False, allow_unicode=True)
    second = read(written)
    assert second.resolved() == first.resolved()
    assert second.train == first.train
    assert second.networks == first.networks
    assert second.maskers == first.maskers
    assert second.losses == first.losses


def test_a_resolved_recipe_has_every_option() -> None:
    resolved: dict[str, Any] = read(COMPLETE).resolved()
    assert resolved["method"]["pool"] == 50
    assert set(resolved["networks"]["D_B"]) == {"discriminator", *options_of(Patch), *options_of(DiscriminatorOptions)}
    assert resolved["networks"]["D_B"]["width"] == 64
    assert resolved["train"]["steps"] == 2
    assert "epochs" not in resolved["train"]
    assert resolved["images"]["size"] == 256


def test_nothing_in_a_recipe_is_an_import_path() -> None:
    (line,) = mistakes("method: {method: 'os:system'}\ndata: {dataset: striped_digits}\ntrain: {steps: 1}\n")
    assert line.startswith("r.yaml:1: method.method: unknown method 'os:system' (there are: art2real, ")
