"""Recipes: checked whole, every mistake at once with its place, and resolved so that they reproduce themselves."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
import yaml
from torch import Tensor, nn

from ganzoo.errors import GanzooError
from ganzoo.interfaces import Dataset, Loss, Masker, Method, Metric, Sample, Slot, Split
from ganzoo.options import options_of
from ganzoo.plugins import Plugins, find_entry_points
from ganzoo.randomness import Draws
from ganzoo.recipe import Recipe
from ganzoo.recipe_reader import read_recipe
from ganzoo.registry import Registration
from ganzoo.step import Step
from ganzoo_cyclegan.patch import Patch

WHOLE = """\
method: {method: cyclegan}
data: {dataset: striped_digits}
train: {steps: 2}
"""


class Planes(Masker):
    """Makes as many planes as it is asked for."""

    def __init__(self, *, planes: int = 1) -> None:
        super().__init__()
        if planes > 9:
            raise GanzooError("no more than 9 planes")
        self.planes = planes

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return torch.ones_like(image[:, :1]).repeat(1, self.planes, 1, 1)


class Sloppy(Loss):
    """Reads one tensor, and another where it is named."""

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        return image.mean()


class Codec(nn.Module):
    """Has no forward that anybody calls."""

    def __init__(self, in_channels: int, out_channels: int, *, size: int) -> None:
        super().__init__()

    def encode(self, image: Tensor) -> Tensor:
        return image


class Picky(Method):
    """Wants encode and decode, makes no phases."""

    accepts: ClassVar[tuple[str, ...]] = ("labels",)

    def __init__(self, *, colour: str = "") -> None:
        if colour == "octarine":
            raise GanzooError("colour: nobody can see octarine")
        calls = ("encode", "decode")
        self.slots = {"G_A": Slot("generator", ("A",), "A", calls=calls, default={"generator": "codec", "size": 1})}
        self.optims, self.phases, self.tensors = {}, [], []

    def forward(self, step: Step) -> None:
        pass


class Pairs(Dataset):
    """Needs an option."""

    def __init__(self, *, root: Path) -> None:
        self.root = root

    def count(self, split: Split, domain: str) -> int:
        return 1

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        return Sample(np.zeros((8, 8, 3), np.uint8), "0")


class Share(Metric):
    """Has an option."""

    def __init__(self, *, of: float = 1.0) -> None:
        self.of = of

    def rows(self, step: Step, direction: str) -> dict[str, Tensor]:
        return {}


@pytest.fixture(autouse=True)
def _parts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found, mine = Plugins(), Registration("testing")
    found.load(find_entry_points())
    parts: Iterable[tuple[str, str, type]] = [
        ("masker", "planes", Planes), ("loss", "sloppy", Sloppy), ("generator", "codec", Codec),
        ("method", "picky", Picky), ("dataset", "pairs", Pairs), ("metric", "share", Share),
    ]  # fmt: skip
    for kind, name, made in parts:
        mine.add(kind, name, made)
    found.registry.accept(mine)
    monkeypatch.setattr("ganzoo.recipe_reader.plugins", lambda: found)
    monkeypatch.chdir(tmp_path)


def write(text: str, name: str = "r.yaml") -> Path:
    Path(name).write_text(dedent(text))
    return Path(name)


def read(text: str, *overrides: str) -> Recipe:
    return read_recipe(write(text), overrides)


def mistakes(text: str, *overrides: str) -> list[str]:
    with pytest.raises(GanzooError) as error:
        read(text, *overrides)
    return str(error.value).splitlines()


def added(text: str, *overrides: str) -> list[str]:
    """Return what is wrong with a recipe that has a section more than a right one."""
    return mistakes(WHOLE + dedent(text), *overrides)


def test_a_recipe_is_made_of_checked_parts() -> None:
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


def test_a_method_that_is_unknown_hides_no_other_mistake() -> None:
    assert mistakes(
        """\
        method: {method: cyclegann}
        networks: {G: {generator: resnet, bloks: 1}, D: {discriminator: patch, layers: 99}}
        maskers: {judge: {masker: plains}, jugde: planes}
        losses: {x: {loss: l1, of: fake_B, wait: 2}}
        data: {dataset: folderz}
        train: {steps: 1}
        evaluate: {metrics: [cycle_l2]}
        """
    ) == [
        "r.yaml:1: method.method: unknown method 'cyclegann' (did you mean 'cyclegan'?)",
        "r.yaml:2: networks.G.bloks: unknown option 'bloks' (did you mean 'blocks'?)",
        "r.yaml:2: networks.D.layers: layers is 99: input should be less than or equal to 8",
        "r.yaml:3: maskers.judge.masker: unknown masker 'plains' (did you mean 'planes'?)",
        "r.yaml:3: maskers.jugde: unknown role 'jugde' (did you mean 'judge'?)",
        "r.yaml:4: losses.x.wait: unknown option 'wait' (did you mean 'weight'?)",
        "r.yaml:5: data.dataset: unknown dataset 'folderz' (did you mean 'folders'?)",
        "r.yaml:7: evaluate.metrics.0.metric: unknown metric 'cycle_l2' (did you mean 'cycle_l1'?)",
    ]


def test_what_a_recipe_must_have() -> None:
    assert mistakes("images: {size: 8}\n") == [
        "r.yaml:1: recipe: the key 'method' is missing: method: {method: …}",
        "r.yaml:1: recipe: the key 'data' is missing: data: {dataset: …}",
        "r.yaml:1: train: how long? give 'epochs' or 'steps'",
    ]
    assert mistakes("method:\ndata: 5\ntrain: {steps: 1}\n") == [
        "r.yaml:1: method: it is None; a method is a mapping: {method: NAME, option: value, …}",
        "r.yaml:2: data: it is 5; a dataset is a mapping: {dataset: NAME, option: value, …}",
    ]


def test_the_place_of_what_is_missing_is_the_file_whatever_the_command_line_says() -> None:
    assert mistakes("method: cyclegan\n", "train.steps=4") == [
        "r.yaml:1: recipe: the key 'data' is missing: data: {dataset: …}"
    ]


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("train: {steps: 1, epochs: 1}", "train: both 'epochs' and 'steps' are given: leave one out, or set it to 0"),
        ("train: {steps: 0}", "train: how long? give 'epochs' or 'steps'"),
        ("train: 5", "train: train is 5; it is a mapping"),
        ("train: {steps: 1, lr: 0}", "train.lr: lr is 0: input should be greater than 0"),
        ("train: {steps: 1, prcision: bf16}", "train.prcision: unknown option 'prcision' (did you mean 'precision'?)"),
        ("train: {steps: 1, precision: bf17}", "train.precision: precision is 'bf17' (did you mean 'bf16'?)"),
    ],
)
def test_the_length_and_pace_of_a_run(section: str, said: str) -> None:
    found = mistakes("method: cyclegan\ndata: striped_digits\n" + section + "\n")
    assert found[0] == f"r.yaml:3: {said}"


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("images: {size: 32, load: 16}", "images: load is 16, smaller than size, 32"),
        ("images: [32]", "images: images is [32]; it is a mapping"),
        ("evaluate: {best: min kid, every: 1}", "evaluate.best: best needs metrics, and evaluate names none"),
        ("evaluate: {best: kid, every: 1, metrics: [share]}", "evaluate: best is 'kid'; it is 'min FIGURE' or 'max"),
        ("evaluate: {best: min kid, metrics: [share]}", "evaluate: best needs every, the steps between evaluations"),
        ("evaluate: {metrics: share}", "evaluate.metrics: it is 'share'; it is a list of names or {metric: NAME, …}"),
        ("evaluate: {metrics: [5]}", "evaluate.metrics.0: it is 5; a metric is a mapping: {metric: NAME, option"),
        ("evaluate: {metrics: [{metric: share, oof: 1}]}", "evaluate.metrics.0.oof: unknown option 'oof' (did you"),
        ("evaluate: {metrics: [{of: 1}]}", "evaluate.metrics.0: the key 'metric', which names the component, is miss"),
        ("networks: [resnet]", "networks: networks is ['resnet']; it is a mapping"),
        ("networks: {S: resnet}", "networks.S: the method has no network 'S' (there are: D, D_A, D_B, G, G_AB, G_BA)"),
        ("networks: {G_AA: resnet}", "networks.G_AA: the method has no network 'G_AA' (did you mean 'G_"),
        ("networks: {D_A: 7}", "networks.D_A: it is 7; a discriminator is a mapping"),
        ("networks: {D_A: {discriminator: 7}}", "networks.D_A.discriminator: discriminator is 7; it is a name"),
        ("networks: {G_AB: {generator: patch}}", "networks.G_AB.generator: unknown generator 'patch' (there are: "),
        ("networks: {G_AB: {generator: codec}}", "networks.G_AB: the option 'size' (int) is missing"),
        ("base: 5", "r.yaml:4: base is 5; it is the path of another recipe"),
    ],
)
def test_other_sections(section: str, said: str) -> None:
    found = added(section)
    assert len(found) == 1
    assert found[0].startswith(said if said.startswith("r.yaml") else f"r.yaml:4: {said}")


@pytest.mark.parametrize("name", ["networks", "maskers", "losses", "images", "evaluate"])
def test_a_section_without_content_is_one_left_out(name: str) -> None:
    assert read(WHOLE + f"{name}:\n").resolved() == read(WHOLE).resolved()


def test_a_kind_that_is_misspelt_or_another() -> None:
    assert added("maskers: {judge: {maskr: planes}}") == [
        "r.yaml:4: maskers.judge: the key 'masker', which names the component, is missing "
        "(is it 'maskr' that was meant?)"
    ]
    assert added("maskers: {judge: {loss: l1}}") == [
        "r.yaml:4: maskers.judge: the key 'masker', which names the component, is missing; it names a loss"
    ]


def test_a_required_option_is_asked_for() -> None:
    assert mistakes("method: cyclegan\ntrain: {steps: 1}\ndata:\n  dataset: pairs\n") == [
        "r.yaml:3: data: the option 'root' (Path) is missing"
    ]


def test_a_group_speaks_for_its_networks_and_each_mistake_is_told_once_where_it_stands() -> None:
    assert added(
        """\
        networks:
          G:
            generator: resnet
            blocks: -1
          G_BA:
            widht: 3
          D: {discriminator: patch,
              norm: btch}
        """
    ) == [
        "r.yaml:7: networks.G.blocks: blocks is -1: input should be greater than or equal to 0",
        "r.yaml:9: networks.G_BA.widht: unknown option 'widht' (did you mean 'width'?)",
        "r.yaml:11: networks.D.norm: norm is 'btch' (did you mean 'batch'?)",
    ]


def test_a_network_refines_its_group_and_another_name_drops_the_groups_options() -> None:
    recipe = read(
        WHOLE
        + dedent("""\
        networks:
          G: {generator: resnet, blocks: 1, width: 8}
          G_AB: {width: 4}
          G_BA: {generator: unet}
        """)
    )
    assert (recipe.networks["G_AB"].options["blocks"], recipe.networks["G_AB"].options["width"]) == (1, 4)
    assert recipe.networks["G_BA"].options["width"] == 64


def test_a_network_is_held_to_what_the_method_calls() -> None:
    text = "method: picky\ndata: striped_digits\ntrain: {steps: 1}\n"
    assert mistakes(text) == ["r.yaml:1: networks.G_A.generator: 'codec' cannot serve as G_A: it has no decode()"]
    assert mistakes(text + "networks:\n  G:\n    generator: resnet\n")[0].startswith(
        "r.yaml:6: networks.G.generator: 'resnet' cannot serve as G_A: it has no encode()"
    )


def test_what_a_method_says_itself_has_its_place() -> None:
    text = "data: striped_digits\ntrain: {steps: 1}\nmethod: {method: picky, colour: octarine}\n"
    assert mistakes(text) == ["r.yaml:3: method: colour: nobody can see octarine"]


def test_bare_names_take_overrides() -> None:
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


def test_a_length_on_the_command_line_replaces_the_files() -> None:
    recipe = read("method: cyclegan\ndata: striped_digits\ntrain: {epochs: 100}\n", "train.steps=5")
    assert (recipe.train.steps, recipe.train.epochs) == (5, 0)


def test_losses_attach_to_the_tensors_there_are() -> None:
    recipe = read(
        WHOLE
        + dedent("""\
        losses:
          tint: {loss: l1, of: {image: fake_B, target: real_B}, weight: 5e-1}
          smooth: {loss: total_variation, of: rec_A}
          loose: {loss: sloppy, of: {image: fake_A, labels: given_labels_B}}
          given: {loss: l1, of: {image: fake_B, target: true_B}, phase: generator}
          left: null
        """)
    )
    assert recipe.losses["tint"].use == {
        "of": {"image": "fake_B", "target": "real_B"},
        "weight": 0.5,
        "phase": "generator",
    }
    assert recipe.losses["smooth"].use["of"] == {"image": "rec_A"}
    assert list(recipe.losses) == ["tint", "smooth", "loose", "given"]


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("{loss: l1, of: {image: fake_C, target: real_A}}", ".of.image: the method makes no tensor 'fake_C' (did you"),
        ("{loss: l1, of: {image: fake_B, traget: real_A, target: real_A}}", ".of.traget: the loss reads no 'traget'"),
        ("{loss: l1, of: fake_B}", ".of: the loss reads 'target' too: which tensor is it?"),
        ("{loss: l1}", ": the option 'of' (dict[str, str] | str) is missing"),
        ("{loss: l1, of: 5}", ".of: of is 5: input should be a mapping; or: input should be a text"),
        ("{loss: sloppy, of: fake_B, phase: generatr}", ".phase: the method has no phase 'generatr' (did you mean"),
        ("{loss: sloppy, of: fake_B, phase: discriminator}", ".phase: the phase 'discriminator' reads detached tensor"),
        ("{loss: sloppy, of: fake_B, weight: much}", ".weight: weight is 'much': input should be a valid number"),
        ("{loss: sloppy, of: fake_B, wieght: 2}", ".wieght: unknown option 'wieght' (did you mean 'weight'?)"),
        ("fake_B", ".loss: unknown loss 'fake_B' (there are: contextual, l1, sloppy, total_variation)"),
        ("7", ": it is 7; a loss is a mapping"),
    ],
)
def test_losses_that_cannot_attach(loss: str, said: str) -> None:
    found = added(f"losses:\n  x: {loss}\n")
    assert len(found) == 1
    assert found[0].startswith(f"r.yaml:5: losses.x{said}")


def test_a_term_that_is_left_out_makes_no_tensor() -> None:
    text = WHOLE + "losses: {smooth: {loss: total_variation, of: rec_A}}\n"
    assert "smooth" in read(text).losses
    assert "the method makes no tensor 'rec_A'" in mistakes(text, "method.without=[cycle_A]")[0]


def test_no_loss_attaches_to_a_method_without_phases() -> None:
    found = mistakes(
        "method: picky\ndata: striped_digits\ntrain: {steps: 1}\nlosses: {x: {loss: sloppy, of: real_A}}\n"
    )
    assert found[1:] == ["r.yaml:4: losses.x: the method trains in no phase, so that no loss can attach to it"]


def test_maskers_serve_roles() -> None:
    recipe = read(
        WHOLE
        + dedent("""\
        maskers:
          judge: planes
          composite: {masker: planes, planes: 4, foreground: [1, 3]}
        """)
    )
    assert recipe.maskers["judge"].use["foreground"] == ()
    assert recipe.maskers["composite"].use["foreground"] == (1, 3)
    assert read(WHOLE + "maskers: {judge: null}\n").maskers == {}


@pytest.mark.parametrize(
    ("masker", "said"),
    [
        ("judg: planes", "maskers.judg: unknown role 'judg' (did you mean 'judge'?)"),
        ("labels: planes", "maskers.labels: the method takes no mask in the role 'labels'; it takes: judge, composite"),
        ("judge: {masker: planes, planes: 3}", "maskers.judge: the masker makes 3 planes, the role needs one: name fo"),
        (
            "judge: {masker: planes, planes: 3, foreground: [0, 3]}",
            "maskers.judge.foreground: there is no class 3; the masker makes 3 planes",
        ),
        ("judge: {masker: planes, foreground: [-1]}", "maskers.judge.foreground: there is no class -1; the masker"),
        ("judge: {masker: planes, foreground: 1}", "maskers.judge.foreground: foreground is 1: input should be a list"),
        ("judge: {masker: planes, planes: 10}", "maskers.judge: no more than 9 planes"),
        ("judge: {masker: planes, threshold: 2}", "maskers.judge.threshold: threshold is 2: input should be less than"),
        ("judge: {masker: planes, soften: -1}", "maskers.judge.soften: soften is -1: input should be greater than"),
        ("judge: {masker: planes, grow: 1.5}", "maskers.judge.grow: grow is 1.5: input should be a valid integer"),
        ("judge: {masker: planes, foregruond: [0]}", "maskers.judge.foregruond: unknown option 'foregruond' (did you"),
        ("judge: [planes]", "maskers.judge: it is ['planes']; a masker is a mapping"),
    ],
)
def test_maskers_that_cannot_serve(masker: str, said: str) -> None:
    found = added(f"maskers:\n  {masker}\n")
    assert len(found) == 1
    assert found[0].startswith(f"r.yaml:5: {said}")


def test_a_role_that_takes_classes_takes_several_planes() -> None:
    found = mistakes(
        "method: picky\ndata: striped_digits\ntrain: {steps: 1}\nmaskers: {labels: {masker: planes, planes: 3}}\n"
    )
    assert [line for line in found if "maskers" in line] == []


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        """\
        method: {method: cyclegan, cycle: {A: 1, B: 2e-1}, without: [identity_A, identity_B], pool: 0, gan: wgan-gp}
        networks: {G: {generator: resnet, norm: none, upsample: resize}, D_A: pixel}
        maskers: {judge: {masker: planes, planes: 3, foreground: [0, 2]}, composite: planes}
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
    resolved: dict[str, Any] = read(WHOLE).resolved()
    assert resolved["method"]["pool"] == 50
    assert set(resolved["networks"]["D_B"]) == {"discriminator", *options_of(Patch)}
    assert resolved["networks"]["D_B"]["width"] == 64
    assert resolved["train"]["steps"] == 2
    assert "epochs" not in resolved["train"]
    assert resolved["images"]["size"] == 256


def test_nothing_in_a_recipe_is_an_import_path() -> None:
    found = mistakes("method: {method: 'os:system'}\ndata: {dataset: striped_digits}\ntrain: {steps: 1}\n")
    (line,) = found
    assert line.startswith("r.yaml:1: method.method: unknown method 'os:system' (there are: art2real, cyclegan,")
