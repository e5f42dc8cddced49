"""``adaptation_accuracy`` against a plain transcription; which images and labels it reads, and whose weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import yaml
from accelerate import Accelerator
from torch import Tensor, nn

import ganzoo
from ganzoo import GanzooError
from ganzoo.build import Experiment
from ganzoo.evaluation.evaluator import Evaluation, Evaluator
from ganzoo.evaluation.runs import evaluate_targets
from ganzoo.interfaces import keyed, torch_seed
from ganzoo.recipe.reader import read_recipe
from ganzoo_metrics.adaptation import AdaptationAccuracy, LeNet, train_classifier
from tests.support.tiny_run import float64_run, lines, write_recipe

SIZE = 16


def bars(count: int, seed: int, strength: int = 255) -> tuple[np.ndarray, np.ndarray]:
    """Return images of a bar in one of three places, and which."""
    draws = np.random.default_rng(seed)
    labels = np.arange(count) % 3
    images = draws.integers(0, 40, (count, SIZE, SIZE), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[:, 1 + 5 * label : 4 + 5 * label] = strength
    return images, labels


def write_data(folder: Path, b_labels: np.ndarray | None = None, without: str = "") -> dict[str, Any]:
    """Write domains whose training and test images differ, and return the section ``data``."""
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for seed, (domain, strength) in enumerate({"A": 255, "B": 120}.items()):
        train, test = bars(24, 2 * seed, strength), bars(9 if domain == "A" else 12, 2 * seed + 1, strength)
        arrays[domain] = {"train_images": train[0], "test_images": test[0]}
        if domain != without:
            arrays[domain] |= {"train_labels": train[1], "test_labels": test[1]}
    if b_labels is not None:
        arrays["B"]["train_labels"] = b_labels
    for domain, named in arrays.items():
        np.savez(folder / f"{domain}.npz", **named)  # type: ignore[arg-type]
    return {"dataset": "npz", "A": str(folder / "A.npz"), "B": str(folder / "B.npz"), "validation": 0}


def recipe(folder: Path, metric: Any = None, **data: Any) -> Path:
    changes: dict[str, Any] = {
        "images": {"size": SIZE, "load": SIZE, "flip": False},
        "evaluate": {"metrics": [metric or {"metric": "adaptation_accuracy", "epochs": 3}], "best": None, "every": 0},
        "train": {"steps": 2, "seed": 5},
    }
    file = write_recipe(folder, **changes)
    loaded = yaml.safe_load(file.read_text())
    loaded["data"] = data or write_data(folder)
    file.write_text(yaml.safe_dump(loaded))
    return file


def evaluator(file: Path, batch: int = 5) -> tuple[Evaluator, Experiment]:
    experiment = Experiment(read_recipe(file), Accelerator(cpu=True), training=True)
    measured = Evaluator(experiment.engine, experiment.reader, experiment.metrics, seed=5, batch=batch)
    measured.prepare()
    return measured, experiment


def transcription(images: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, epochs: int, seed: int) -> float:
    """Train LeNet by hand, and return its accuracy in percent."""
    torch.manual_seed(torch_seed(seed, "adaptation"))
    c1, c2 = nn.Conv2d(1, 20, 5), nn.Conv2d(20, 50, 5)
    l1, l2 = nn.Linear(50, 500), nn.Linear(500, 3)  # 16 → 12 → 6 → 2 → 1 pixels

    def logits(x: Tensor) -> Tensor:
        x = F.max_pool2d(c1(x).relu(), 2)
        x = F.max_pool2d(c2(x).relu(), 2)
        return l2(l1(x.flatten(1)).relu())

    parameters = [p for layer in (c1, c2, l1, l2) for p in layer.parameters()]
    first, second = [torch.zeros_like(p) for p in parameters], [torch.zeros_like(p) for p in parameters]
    step = 0
    for epoch in range(epochs):
        order = keyed(seed, "adaptation", epoch).permutation(len(images))
        for start in range(0, len(images), 128):
            chosen = torch.from_numpy(order[start : start + 128])
            loss = -logits(images[chosen]).log_softmax(1)[torch.arange(len(chosen)), labels[chosen]].mean()
            step += 1
            for p, m, v, g in zip(parameters, first, second, torch.autograd.grad(loss, parameters), strict=True):
                m.mul_(0.9).add_(g, alpha=0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                p.data -= 1e-3 * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8)
    with torch.no_grad():
        return 100 * float((logits(test).argmax(1) == test_labels).float().mean())


def as_tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images)[:, None].float() / 127.5 - 1


@pytest.mark.parametrize("epochs", [1, 4])
def test_it_is_the_accuracy_of_a_classifier_trained_on_translations_by_hand(epochs: int, tmp_path: Path) -> None:
    file = recipe(tmp_path, {"metric": "adaptation_accuracy", "epochs": epochs})
    measured, experiment = evaluator(file)
    result = measured.measure("test")
    generator = experiment.engine.average.networks["G_AB"] if experiment.engine.average else None
    assert generator is not None
    a, b = (np.load(tmp_path / f"{domain}.npz") for domain in "AB")
    with torch.no_grad():
        images = generator(as_tensor(a["train_images"])).clamp(-1, 1)
    labels, test_labels = torch.from_numpy(a["train_labels"]), torch.from_numpy(b["test_labels"])
    expected = transcription(images, labels, as_tensor(b["test_images"]), test_labels, epochs, 5)
    assert result.values == {"adaptation_accuracy": pytest.approx(expected)}
    about = result.about["adaptation_accuracy"]
    assert (about["n_fake"], about["fake"], about["n_real"], about["real"]) == (24, "A of train", 12, "B of test")
    assert result.images == {"A": 9, "B": 12}


def test_batches_of_128_in_an_order_of_the_seed() -> None:
    images, labels = (torch.from_numpy(one) for one in bars(150, 3))
    images = images[:, None].float() / 127.5 - 1
    one, same, other = (train_classifier(images, labels, 1, seed) for seed in (0, 0, 1))
    weights = [torch.cat([p.flatten() for p in network.parameters()]) for network in (one, same, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert transcription(images, labels, images, labels, 2, 0) == pytest.approx(
        accuracy(train_classifier(images, labels, 2, 0), images, labels)
    )


def accuracy(network: LeNet, images: Tensor, labels: Tensor) -> float:
    with torch.no_grad():
        return 100 * float((network(images).argmax(1) == labels).float().mean())


def test_the_random_state_of_torch_stays() -> None:
    images, labels = torch.zeros(3, 1, SIZE, SIZE), torch.arange(3)
    torch.manual_seed(1)
    before = torch.get_rng_state()
    train_classifier(images, labels, 1, 0)
    assert torch.equal(before, torch.get_rng_state())


class Fixed(nn.Module):
    """Translate each image into one of a constant value, or leave it unchanged."""

    def __init__(self, value: float | None) -> None:
        super().__init__()
        self.value, self.weight = value, nn.Parameter(torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        return images + 0 * self.weight if self.value is None else torch.full_like(images, self.value)


def test_translations_are_those_of_the_averaged_weights(tmp_path: Path) -> None:
    measured, experiment = evaluator(recipe(tmp_path, {"metric": "adaptation_accuracy", "epochs": 60}))
    average = experiment.engine.average
    assert average is not None
    experiment.engine.networks["G_AB"] = Fixed(0.0)
    average.networks["G_AB"] = Fixed(None)
    assert measured.measure("test").values["adaptation_accuracy"] > 90
    average.networks["G_AB"] = Fixed(0.0)
    assert measured.measure("test").values["adaptation_accuracy"] < 80


def value_of(file: Path, *overrides: str) -> Evaluation:
    experiment = Experiment(read_recipe(file, list(overrides)), Accelerator(cpu=True), training=True)
    measured = Evaluator(experiment.engine, experiment.reader, experiment.metrics, seed=5, batch=7)
    measured.prepare()
    return measured.measure("test")


def test_no_label_of_the_targets_training_images_is_read(tmp_path: Path) -> None:
    file = recipe(tmp_path)
    expected = value_of(file).values
    write_data(tmp_path, b_labels=np.full(24, 7))
    assert value_of(file).values == expected


UNTRANSLATED = ("method=untranslated", "networks=null", "train.steps=0", "train.ema=0")


def test_rows_without_adaptation(tmp_path: Path) -> None:
    """``untranslated`` trains on A's images as they are; with the target's images as A it is the upper bound."""
    file = recipe(tmp_path)
    a, b = (np.load(tmp_path / f"{domain}.npz") for domain in "AB")
    test, test_labels = as_tensor(b["test_images"]), torch.from_numpy(b["test_labels"])
    for train, overrides in ((a, ()), (b, (f"data.A={tmp_path}/B.npz",))):
        images, labels = as_tensor(train["train_images"]), torch.from_numpy(train["train_labels"])
        expected = transcription(images, labels, test, test_labels, 3, 5)
        assert value_of(file, *UNTRANSLATED, *overrides).values["adaptation_accuracy"] == pytest.approx(expected)


@pytest.mark.parametrize(("missing", "said"), [("A", "the train images of A"), ("B", "the test images of B")])
def test_images_without_labels_are_refused(missing: str, said: str, tmp_path: Path) -> None:
    file = recipe(tmp_path, **write_data(tmp_path, without=missing))
    with pytest.raises(GanzooError, match=f"{said} have no label 'label': set the data set's option for labels"):
        value_of(file)


def test_the_label_may_have_another_name(tmp_path: Path) -> None:
    named = {**write_data(tmp_path), "label": "digit"}
    with pytest.raises(GanzooError, match="have no label 'label'"):
        value_of(recipe(tmp_path, **named))
    metric = {"metric": "adaptation_accuracy", "epochs": 3, "label": "digit"}
    assert value_of(recipe(tmp_path, metric, **named)).values == value_of(recipe(tmp_path)).values


def test_labels_that_are_no_classes_are_an_error() -> None:
    metric = AdaptationAccuracy(epochs=1)
    images = torch.zeros(2, 1, SIZE, SIZE)
    for labels in ([0.5, 1.0], [-1.0, 2.0]):
        rows = {"image": images, "label": torch.tensor(labels)}
        with pytest.raises(GanzooError, match="are not classes, whole numbers from 0"):
            metric.compute(rows, rows)


@pytest.mark.parametrize("images", ["images={fit: none, load: 0}", "images={size: 12, load: 12}"])
def test_images_of_several_or_too_small_sizes_are_refused(images: str, tmp_path: Path) -> None:
    with pytest.raises(GanzooError, match="needs images of one size, 16 pixels or more"):
        value_of(recipe(tmp_path), images)


def test_a_run_records_it_and_a_file_of_single_images_leaves_it_out(tmp_path: Path) -> None:
    ganzoo.run(recipe(tmp_path), root=tmp_path / "runs")
    folder = tmp_path / "runs/tiny/default"
    (record,) = lines(folder / "results.jsonl")
    assert set(record["values"]) == {"adaptation_accuracy"}
    assert record["about"]["adaptation_accuracy"]["fake"] == "A of train"
    csv = tmp_path / "images.csv"
    evaluate_targets([folder], metrics=["adaptation_accuracy", "cycle_l1"], per_image=csv, device="cpu")
    head, *rows = csv.read_text().splitlines()
    assert head == "target,checkpoint,split,direction,image,cycle_l1"
    assert len(rows) == 9 + 12


def test_limited_evaluations_use_as_many_training_images(tmp_path: Path) -> None:
    measured, _ = evaluator(recipe(tmp_path))
    about = measured.measure("test", limit=6).about["adaptation_accuracy"]
    assert (about["n_fake"], about["n_real"]) == (6, 6)
    of_training = measured.measure("train").about["adaptation_accuracy"]
    assert (of_training["n_fake"], of_training["real"], "fake" in of_training) == (24, "B of train", False)


@pytest.mark.slow
def test_two_processes_find_what_one_does(tmp_path: Path) -> None:
    file = recipe(tmp_path)
    two = float64_run(file, tmp_path / "two", processes=2)
    one = float64_run(file, tmp_path / "one", "train.batch=4", "evaluate.batch=3")
    (mine,), (theirs,) = (lines(folder / "results.jsonl") for folder in (one, two))
    assert mine["values"] == theirs["values"]
    assert mine["about"] == theirs["about"]
