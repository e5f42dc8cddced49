"""The metric ``overfitting`` against its formula, on a discriminator that knows its training images by heart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

import ganzoo
from ganzoo import GanzooError, create
from ganzoo.build import Experiment
from ganzoo.evaluation.evaluator import Evaluator
from ganzoo.interfaces import Draws
from ganzoo.recipe.reader import read_recipe
from ganzoo_metrics.overfitting import Overfitting
from tests.support.tiny_run import RECIPE, lines, make_images, write_recipe

CHANGES: dict[str, Any] = {"evaluate": {"metrics": ["overfitting"], "best": None, "every": 4}}


class Memory(nn.Module):
    """Logits 1 for known images, ``other`` for all other ones; two maps, as a discriminator of two scales has."""

    def __init__(self, known: Tensor, other: float) -> None:
        super().__init__()
        self.known, self.other = known, other
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> list[Tensor]:
        near = (images.unsqueeze(1) - self.known).abs().flatten(2).amax(2).amin(1) < 1e-6
        logits = torch.where(near, 1.0, self.other).view(-1, 1, 1, 1)
        return [logits.expand(-1, 1, 3, 3), logits]


def evaluator(tmp_path: Path, maskers: Any = None, **networks: Any) -> tuple[Evaluator, Experiment]:
    changes = {**CHANGES, "networks": {**RECIPE["networks"], **networks}, "maskers": maskers or {}}
    experiment = Experiment(read_recipe(write_recipe(tmp_path, **changes)), Accelerator(cpu=True), training=True)
    return Evaluator(experiment.engine, experiment.reader, experiment.metrics, seed=0, batch=2), experiment


def images_of(experiment: Experiment, split: Any, domain: str) -> Tensor:
    return torch.from_numpy(planes_of(experiment, split, domain, "real")).permute(0, 3, 1, 2).float() / 127.5 - 1


def planes_of(experiment: Experiment, split: Any, domain: str, kind: str) -> np.ndarray:
    rows = [ganzoo.interfaces.Row(i, i, {domain: i}) for i in range(experiment.dataset.count(split, domain))]
    return experiment.reader.evaluation_batch(split, rows).planes[f"{kind}_{domain}"]


@pytest.mark.parametrize(("known", "expected"), [("train", (1.0, 1.5)), ("both", (0.0, 0.0)), ("none", (0.0, 0.0))])
def test_a_discriminator_that_knows_its_images_by_heart(
    known: str, expected: tuple[float, float], tmp_path: Path
) -> None:
    measured, experiment = evaluator(tmp_path)
    splits = {"train": ["train"], "both": ["train", "test"], "none": []}[known]
    images = [images_of(experiment, split, "B") for split in splits]
    memory = Memory(torch.cat(images) if images else torch.full((1, 3, 12, 12), 9.0), -0.5)
    experiment.engine.networks["D_B"] = memory
    experiment.engine._use(experiment.engine.networks)
    values = measured.measure("test").values
    assert (values["overfitting_AB"], values["logit_gap_AB"]) == pytest.approx(expected)


def write_masks(images: Path) -> None:
    """Write a soft mask of its own for each image of a folder of data."""
    for number, file in enumerate(sorted(images.glob("*/*.png"))):
        levels = np.random.default_rng(number).integers(0, 256, (16, 20), np.uint8)
        folder = file.parent.with_name(f"{file.parent.name}_masks")
        folder.mkdir(exist_ok=True)
        Image.fromarray(levels).save(folder / file.name)


@pytest.mark.parametrize(
    "masker", [None, "file", {"masker": "saliency", "size": 16}], ids=["whole", "file", "saliency"]
)
def test_values_are_those_of_the_formula_and_follow_the_weights(tmp_path: Path, masker: Any) -> None:
    """With masks each image is in its own; the mask that the data set has for a translation is that of its source."""
    write_masks(make_images(tmp_path / "images"))
    measured, experiment = evaluator(tmp_path, {"discriminator": masker} if masker else None)
    network = experiment.engine.networks["D_A"]

    def shown(image: Tensor, split: Any, source: str) -> Tensor:
        if masker == "file":
            mask = torch.from_numpy(planes_of(experiment, split, source, "given_mask"))[:, None] / 255
        else:
            mask = create("masker", "saliency", size=16)(image, Draws([])) if masker else torch.ones_like(image)
        assert not masker or mask.std() > 0.01
        return image * mask[: len(image)]

    for spread in (0.1, 0.3):
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.normal_(0, spread, generator=torch.Generator().manual_seed(1))
        values = measured.measure("test").values
        with torch.no_grad():
            sizes = experiment.dataset.count("test", "B")
            seen = network(shown(images_of(experiment, "train", "A")[:sizes], "train", "A")).mean()
            unseen = network(shown(images_of(experiment, "test", "A"), "test", "A")).mean()
            translated = experiment.engine.networks["G_BA"](images_of(experiment, "test", "B"))
            fake = network(shown(translated, "test", "B")).mean()
        assert values["logit_gap_BA"] == pytest.approx(float(seen - unseen), abs=1e-5)
        share = float((seen - unseen) / (seen - fake)) if seen > fake else 0.0
        assert values["overfitting_BA"] == pytest.approx(min(max(share, 0), 1), abs=1e-4)


def test_it_measures_without_the_augmentation_of_training_and_changes_nothing(tmp_path: Path) -> None:
    options = {**RECIPE["networks"]["D"], "augment": "diffaugment", "noise": 0.5, "spectral_norm": True}
    measured, experiment = evaluator(tmp_path, D=options)
    before = {name: one.clone() for name, one in experiment.engine.networks["D_A"].state_dict().items()}
    first, second = measured.measure("test").values, measured.measure("test").values
    assert first == second
    after = experiment.engine.networks["D_A"].state_dict()
    assert all(torch.equal(one, after[name]) for name, one in before.items())
    assert experiment.engine.networks["D_A"].training


def test_training_images_are_measured_as_the_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In eval mode, by the discriminator itself, uncompiled."""
    measured, experiment = evaluator(tmp_path, D={**RECIPE["networks"]["D"], "noise": 0.5})
    stances, compute = [], Overfitting.compute
    monkeypatch.setattr(experiment.engine, "compile", True)

    def watched(self: Overfitting, rows: Any, real: Any) -> dict[str, float]:
        network = self.method.networks["D_B"]
        stances.append((network is experiment.engine.networks["D_B"], network.training, _is_eager()))
        return compute(self, rows, real)

    monkeypatch.setattr(Overfitting, "compute", watched)
    measured.measure("test")
    assert stances == [(True, False, True)] * 2


def _is_eager() -> bool:
    return torch._dynamo.eval_frame._stance.stance == "force_eager"


def test_a_run_measures_it(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, **CHANGES)
    ganzoo.run(recipe, root=tmp_path / "runs")
    values = lines(tmp_path / "runs/tiny/default/metrics.jsonl")[-1]["values"]
    assert {"overfitting_AB", "overfitting_BA", "logit_gap_AB", "logit_gap_BA"} == set(values)


def test_a_method_without_such_a_discriminator_is_refused(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, **CHANGES)
    with pytest.raises(GanzooError, match=r"overfitting needs a discriminator .*: remove the metric"):
        ganzoo.run(recipe, "method=untranslated", "networks=null", "train.steps=0", root=tmp_path / "runs")
