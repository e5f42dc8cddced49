"""Every method trains with everything on; runs resume bit for bit; two processes train as one; ADA's p moves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from accelerate import Accelerator

import ganzoo
from ganzoo import GanzooError
from ganzoo.build import Experiment
from ganzoo.engine.engine import Engine
from ganzoo.engine.trial import try_step
from ganzoo.interfaces import Step
from ganzoo.plugins import plugins
from ganzoo.recipe.reader import read_recipe
from tests.support.small_networks import (
    ATTENTION_SMALL,
    AUGMENTED_OPTIONS,
    AUGMENTED_SMALL,
    BICYCLE_SMALL,
    DRIT_SMALL,
    MUNIT_SMALL,
    SIMGAN_OPTIONS,
    SIMGAN_SMALL,
    STAR_OPTIONS,
    STAR_SMALL,
    UGATIT_SMALL,
)
from tests.support.tiny_run import RECIPE, assert_same, lines, make_images, write_recipe
from tests.support.two_processes import assert_two_processes_train_as_one

D = {
    "discriminator": "patch",
    "width": 2,
    "layers": 1,
    "augment": {"ada": {"images": 20, "target": -1.0}},
    "noise": {"sigma": 0.1, "until": 0.75},
    "spectral_norm": True,
}
GAN = {"loss": "lsgan", "real_label": 0.9, "r1": 1.0, "r2": 0.5, "penalty_every": 2}
EVERYTHING: dict[str, Any] = {
    "method": {"method": "cyclegan", "pool": 2, "gan": GAN},
    "networks": {"G": RECIPE["networks"]["G"], "D": D},
}
SHARED = {key: D[key] for key in ("augment", "noise", "spectral_norm")}
SMOOTH: dict[str, Any] = {
    "G": {"generator": "smooth_resnet", "width": 2, "blocks": 1},
    "D": {"discriminator": "patch"},
}
METHODS: dict[str, dict[str, Any]] = {
    "cyclegan": {},
    "smcyclegan": {"maskers": {"discriminator": {"masker": "centered_square", "scales": [0.5]}}},
    "mask_cyclegan": {"maskers": {"input": {"masker": "centered_square", "scales": [0.5]}}},
    "attention_gan": {"networks": ATTENTION_SMALL},
    "ugatit": {"networks": UGATIT_SMALL},
    "munit": {"networks": MUNIT_SMALL},
    "unit": {"networks": {"G": {"generator": "unit", "width": 2, "blocks": 1}, "D": MUNIT_SMALL["D"]}},
    "drit": {"networks": DRIT_SMALL, "method": {"content_layers": 0, "every": 1}},
    "starganv2": {"networks": STAR_SMALL, "method": STAR_OPTIONS},
    "cut": {"networks": SMOOTH, "method": {"layers": [0, 2], "patches": 8, "size": 4}},
    "fastcut": {"networks": SMOOTH, "method": {"layers": [0, 2], "patches": 8, "size": 4}},
    "pix2pix": {
        "networks": {"G": {"generator": "resnet", "width": 2, "blocks": 1}, "D": RECIPE["networks"]["D"]},
        "data": {"dataset": "paired", "layout": "folders"},
    },
    "augmented_cyclegan": {"networks": AUGMENTED_SMALL, "method": AUGMENTED_OPTIONS},
    "bicyclegan": {
        "networks": BICYCLE_SMALL,
        "method": {"encoder_blocks": 1},
        "data": {"dataset": "paired", "layout": "folders"},
    },
    "dclgan": {"networks": SMOOTH, "method": {"layers": [0, 2], "patches": 8, "size": 4}},
    "negcut": {"networks": SMOOTH, "method": {"layers": [0, 2], "patches": 8, "size": 4, "negatives": 4}},
    "simgan": {"networks": SIMGAN_SMALL, "method": {**SIMGAN_OPTIONS, "refiner_updates": 1}},
    "uvcgan2": {
        "networks": {
            "G": {"generator": "vit_unet", "width": 8, "levels": 1, "size": 8, "heads": 2, "blocks": 1},
            "D": {"discriminator": "batch_head"},
        },
        "method": {"gan": "lsgan"},
    },
}
"""What each method needs besides ``gan`` and the discriminators' options; art2real trains as CycleGAN does."""
PENALTIES = {"augmented_cyclegan": 6, "starganv2": 8, "uvcgan2": 0}
"""Number of penalties in a step where they are not two for each slot; uvcgan2 has a penalty of its own."""
WITHOUT_DISCRIMINATORS = {"art2real", "cogan", "gatys", "inpainting", "segmenter", "untranslated", "neural_style"}


def recipe_of(name: str, folder: Path) -> Path:
    change = METHODS[name]
    networks = change.get("networks", RECIPE["networks"])
    small = {} if networks["D"]["discriminator"] in ("starganv2", "local_patch") else {"width": 2, "layers": 1}
    recipe = {
        **RECIPE,
        "data": {**change.get("data", {"dataset": "folders"}), "root": str(make_images(folder / "images"))},
        "images": {"size": 16},
        "maskers": change.get("maskers", {}),
        "method": {"method": name, "gan": GAN, **change.get("method", {})},
        "networks": {**networks, "D": {**small, **networks["D"], **SHARED}},
        "train": {**RECIPE["train"], "batch": 4},
        "evaluate": {"metrics": [], "every": 0},
    }
    file = folder / "tiny.yaml"
    file.write_text(yaml.safe_dump(recipe))
    return file


def test_every_method_with_discriminators_is_tried() -> None:
    known = {one.name for one in plugins().registry.find("method") if one.plugin != "example"}
    assert known - WITHOUT_DISCRIMINATORS == set(METHODS)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_with_everything_on(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "runs/tiny/default"
    ganzoo.run(recipe_of(name, tmp_path), "train.steps=3", "train.log=1", root=tmp_path / "runs")
    losses = [line["losses"] for line in lines(folder / "metrics.jsonl") if "losses" in line]
    penalties = [key for key in losses[0] if key.endswith(("_r1", "_r2"))]
    probabilities = [key for key in losses[0] if key.startswith("augment/p_")]
    slots = [one for one in read_recipe(folder / "resolved.yaml").networks if one.startswith("D")]
    assert len(penalties) == PENALTIES.get(name, 2 * len(slots))
    assert sorted(probabilities) == sorted(f"augment/p_{slot}" for slot in slots)
    for key in penalties:
        assert [line[key] > 0 for line in losses] == [True, False, True], key
    assert "event" in (folder / "events.jsonl").read_text()
    assert not [one for one in lines(folder / "events.jsonl") if one["event"] == "not-finite"]


def test_a_resumed_run_is_the_same_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With everything on, and p and the noise above 0 when the run stops."""
    recipe = write_recipe(tmp_path, **EVERYTHING)
    ganzoo.run(recipe, root=tmp_path / "whole")
    step = Engine.step

    def stop(self: Engine, micros: Sequence[Step]) -> Any:
        if micros[0].index == 5:
            raise RuntimeError("stopped by the test")
        return step(self, micros)

    with monkeypatch.context() as patched:
        patched.setattr(Engine, "step", stop)
        with pytest.raises(RuntimeError, match="stopped by the test"):
            ganzoo.run(recipe, root=tmp_path / "parts")
    saved = json.loads((tmp_path / "parts/tiny/default/checkpoints/last/progress.json").read_text())
    assert saved["step"] < 8
    assert all(0 < one["p"] < 1 and one["r"] != 0 for one in saved["augment"].values())
    ganzoo.run(recipe, root=tmp_path / "parts")
    assert_same(tmp_path / "whole/tiny/default", tmp_path / "parts/tiny/default")


@pytest.mark.slow
def test_two_processes_train_as_one(tmp_path: Path) -> None:
    recipe = write_recipe(
        tmp_path, **EVERYTHING, train={"decay": 0.0, "log": 1}, evaluate={"metrics": [], "best": None}
    )
    assert_two_processes_train_as_one(recipe, tmp_path, "evaluate.every=0")
    log = [one["losses"] for one in lines(tmp_path / "two/tiny/default/metrics.jsonl") if "losses" in one]
    assert log[-1]["augment/p_D_A"] > 0


def engine_of(recipe: Path) -> Any:
    return Experiment(read_recipe(recipe), Accelerator(cpu=True), training=True).engine


def batch(index: int = 0) -> Step:
    torch.manual_seed(index)
    images = {f"real_{domain}": torch.rand(2, 3, 12, 12) * 2 - 1 for domain in "AB"}
    return Step(images, index=index, samples=(2 * index, 2 * index + 1))


def test_p_rises_in_a_run_and_a_step_that_is_not_finite_leaves_it(tmp_path: Path) -> None:
    engine = engine_of(write_recipe(tmp_path, **EVERYTHING))
    course = []
    for index in range(10):
        report, _ = engine.step([batch(index)])
        course.append(float(report["augment/p_D_A"]))
    assert course[-1] > 0
    before = engine.adaptive["D_A"].numbers()
    broken = batch(10)
    broken["real_A"][0] = float("nan")
    _, flags = engine.step([broken])
    assert float(flags.sum()) > 0
    assert engine.adaptive["D_A"].numbers() == before


def test_the_tried_step_changes_neither_p_nor_r(tmp_path: Path) -> None:
    engine = engine_of(write_recipe(tmp_path, **EVERYTHING))
    for ada in engine.adaptive.values():
        ada.restore({"p": 0.5, "r": 0.5})
    norm = engine.networks["D_A"].state_dict()["model.0.parametrizations.weight.0.left"].clone()
    try_step(engine, [batch()])
    assert [ada.numbers() for ada in engine.adaptive.values()] == [{"p": 0.5, "r": 0.5}] * 2
    assert torch.equal(engine.networks["D_A"].state_dict()["model.0.parametrizations.weight.0.left"], norm)


def test_augmentation_changes_no_name_of_a_weight_and_no_first_weight(tmp_path: Path) -> None:
    plain = engine_of(write_recipe(tmp_path, "plain"))
    augmented = engine_of(write_recipe(tmp_path, "ada", networks={"D": {**D, "spectral_norm": False}}))
    for slot, network in plain.networks.items():
        other = augmented.networks[slot].state_dict()
        assert all(torch.equal(one, other[name]) for name, one in network.state_dict().items())
        assert other.keys() == network.state_dict().keys()


def test_evaluation_uses_the_discriminator_itself(tmp_path: Path) -> None:
    engine = engine_of(write_recipe(tmp_path, **EVERYTHING))
    assert engine.method.networks["D_A"] is not engine.networks["D_A"]
    with engine.evaluating():
        assert engine.method.networks["D_A"] is engine.networks["D_A"]
    assert engine.method.networks["D_A"] is engine.views["D_A"]


def test_the_generator_is_trained_through_the_augmentation(tmp_path: Path) -> None:
    """With the adversarial term alone, the generator's gradient is that of D(T(G(x)))."""
    changes: dict[str, Any] = {
        "method": {"method": "cyclegan", "without": ["cycle_A", "cycle_B", "identity_A", "identity_B"]},
        "networks": {"G": RECIPE["networks"]["G"], "D": {**RECIPE["networks"]["D"], "augment": "diffaugment"}},
    }
    engine = engine_of(write_recipe(tmp_path, **changes))
    before = {name: one.clone() for name, one in engine.networks["G_AB"].state_dict().items()}
    report, _ = engine.step([batch()])
    assert any(not torch.equal(one, before[name]) for name, one in engine.networks["G_AB"].state_dict().items())
    plain = engine_of(write_recipe(tmp_path, "plain", method=changes["method"]))
    assert float(plain.step([batch()])[0]["generator/gan_AB"]) != float(report["generator/gan_AB"])


def test_ada_with_wgan_gp_is_refused_before_a_run_begins(tmp_path: Path) -> None:
    changes: dict[str, Any] = {**EVERYTHING, "method": {"method": "cyclegan", "gan": "wgan-gp"}}
    with pytest.raises(GanzooError, match=r"networks\.D_A\.augment: ada needs the signs"):
        ganzoo.run(write_recipe(tmp_path, **changes), root=tmp_path / "runs")
    assert not (tmp_path / "runs/tiny").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"augment": "difaugment"}, "augment is 'difaugment' (did you mean 'diffaugment'?)"),
        ({"augment": {"diffaugment": ["colour"]}}, "augment is 'colour' (did you mean 'color'?)"),
        ({"augment": {"ada": {"aim": 0.6}}}, "augment has no key 'aim'"),
        ({"noise": -1.0}, "noise is -1.0: input should be greater than or equal to 0"),
        ({"noise": {"sigma": 0.1}}, "noise is missing the key 'until'"),
    ],
)
def test_mistakes_are_reported_at_their_line(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, networks={"D": {**RECIPE["networks"]["D"], **options}})
    with pytest.raises(GanzooError) as caught:
        read_recipe(recipe)
    assert message in str(caught.value)
    assert "networks.D" in str(caught.value)
