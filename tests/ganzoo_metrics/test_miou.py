"""What is found in translations of label maps, by maskers, models and true pairs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ganzoo.data.label_maps import one_hot
from ganzoo.data.loader import Reader
from ganzoo.interfaces import Masker, Sample, Split
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_baselines.pix2pix import Pix2Pix
from ganzoo_maskers.fixed import File
from ganzoo_metrics.confusion import confusion, scores
from ganzoo_metrics.miou import MeanIoU
from ganzoo_segmenter.method import Segmenter
from tests.support.command_line import refusal
from tests.support.feature_networks import SEGMENTER, build_model, save_model
from tests.support.image_pairs import bind_metric, compute_values
from tests.support.stand_in_methods import Noise, engine_of, values_of

K, SIZE = 3, 12


class Brightest(Masker):
    """The channel that is the greatest, where one is above zero."""

    planes = K

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        most = image.argmax(1)
        return F.one_hot(most, K).movedim(-1, 1).float() * (image.amax(1, keepdim=True) > 0)


class Labelled(Noise):
    """A's images are label maps of three classes; pairs, and labels beside images, where they are asked for."""

    def __init__(self, *, pairs: bool = False, beside: bool = False, **sizes: Any) -> None:
        super().__init__(size=SIZE, **sizes)
        self.pairs, self.beside = pairs, beside
        self.classes: Mapping[str, int] = {"A": K}
        self.channels = {"A": K, "B": 3}

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        found, image = super().sample(split, domain, index), super().sample(split, "B", index).image
        labels = super().sample(split, "A", index).image[:, :, :1] % K
        found = replace(found, labels=labels[:, :, 0]) if self.beside else found
        if domain == "A":
            return replace(found, image=labels, target=image if self.pairs else None)
        return replace(found, target=labels if self.pairs else None)


def metric(data: Noise | None = None, masker: Masker | None = None, method: Any = None, **options: Any) -> MeanIoU:
    roles = Roles({"labels": masker} if masker else {}, options.pop("uses", None))
    reader = Reader(data or Labelled(), ImageSettings(size=SIZE))
    made_one: MeanIoU = bind_metric("miou", method, reader=reader, roles=roles, **options)
    return made_one


def labels(seed: int = 0, count: int = 2, classes: int = K) -> Tensor:
    return torch.randint(0, classes, (count, SIZE, SIZE), generator=torch.Generator().manual_seed(seed))


def random_images(seed: int = 5, count: int = 2) -> Tensor:
    return torch.rand(count, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(seed)) * 2 - 1.4


def step_of(**tensors: Tensor) -> Step:
    return Step(tensors, samples=range(2), classes={"A": K})


def test_a_masker_segments_images_translated_from_label_maps() -> None:
    measure, step = metric(masker=Brightest()), step_of(real_A=one_hot(labels(), K), fake_B=random_images())
    found = torch.where(step["fake_B"].amax(1) > 0, step["fake_B"].argmax(1), K)
    assert 0 < int((found == K).sum()) < 150  # taken for nothing
    expected = confusion(labels(), found, K)
    assert torch.equal(measure.rows(step, "AB")["confusion"], expected)
    assert measure.directions == ("AB",)
    assert compute_values(measure, step) == scores(expected.sum(0))
    right = step_of(real_A=one_hot(labels(), K), fake_B=one_hot(labels(), K))
    assert compute_values(measure, right) == {"pixel_accuracy": 1, "class_accuracy": 1, "miou": 1}


def test_what_the_recipe_does_to_classes_counts() -> None:
    halved = {"labels": lambda mask: 1 - mask}
    measure, step = (
        metric(masker=Brightest(), uses=halved),
        step_of(real_A=one_hot(labels(), K), fake_B=random_images()),
    )
    planes = 1 - Brightest()(step["fake_B"], step.rng(""))
    assert torch.equal(measure.rows(step, "AB")["confusion"], confusion(labels(), planes.argmax(1), K))


def test_a_model_segments_them_too(tmp_path: Path) -> None:
    """Scaled to 520 pixels and back."""
    file = save_model(tmp_path, SEGMENTER, K)
    measure = metric(model=SEGMENTER, weights=file, classes=K)
    step = step_of(real_A=one_hot(labels(), K), fake_B=random_images())
    mean, std = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    seen = F.interpolate((step["fake_B"].clamp(-1, 1) + 1) / 2, (520, 520), mode="bilinear", antialias=True)
    shares = build_model(SEGMENTER, K)((seen - mean) / std)["out"].softmax(1)
    found = F.interpolate(shares, (SIZE, SIZE), mode="bilinear", antialias=True).argmax(1)
    assert len(found.unique()) > 1
    assert torch.equal(measure.rows(step, "AB")["confusion"], confusion(labels(), found, K))
    assert measure.about["network"] == f"torchvision/{SEGMENTER}"
    assert measure.sources["weights"].path == file
    torchvision_s = metric(labelled_photographs(), model=SEGMENTER, weights=save_model(tmp_path, SEGMENTER, 21))
    assert torchvision_s.classes == {"AB": 21, "BA": 21}


def labelled_photographs() -> Labelled:
    data = Labelled(beside=True)
    data.classes = {}
    return data


def test_labels_may_lie_beside_images() -> None:
    measure = metric(labelled_photographs(), Brightest())
    assert measure.directions == ("AB", "BA")
    step = Step({"given_labels_B": labels()[:, None], "fake_A": random_images()}, samples=range(2))
    found = torch.where(step["fake_A"].amax(1) > 0, step["fake_A"].argmax(1), K)
    assert torch.equal(measure.rows(step, "BA")["confusion"], confusion(labels(), found, K))


def test_label_maps_are_compared_with_the_true_ones() -> None:
    """Without any segmenter, in the direction into them alone; with one, both ways."""
    measure = metric(Labelled(pairs=True))
    assert measure.directions == ("BA",)
    soft = random_images()
    step = step_of(true_A=one_hot(labels(), K), fake_A=soft)
    assert torch.equal(measure.rows(step, "BA")["confusion"], confusion(labels(), soft.argmax(1), K))
    assert metric(Labelled(pairs=True), Brightest()).directions == ("AB", "BA")


COLOURS = ((128, 64, 128), (244, 35, 232), (70, 70, 70), (0, 0, 0))


def draw(classes: Tensor) -> Tensor:
    """Return label images in [−1, 1] of classes."""
    return torch.tensor(COLOURS, dtype=torch.float32)[classes].permute(0, 3, 1, 2) / 127.5 - 1


def test_classes_of_label_images_are_the_nearest_colours() -> None:
    data = Labelled(pairs=True)
    data.classes, data.channels = {}, {"A": 3, "B": 3}
    truth, found = labels(1, classes=4), labels(2, classes=4)
    noise = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(3)) * 0.2 - 0.1
    step = step_of(true_A=draw(truth), fake_A=draw(found) + noise)
    measure = metric(data, colours={"A": COLOURS})
    assert measure.directions == ("BA",)
    assert torch.equal(measure.rows(step, "BA")["confusion"], confusion(truth, found, 4))
    void = metric(data, colours={"A": COLOURS}, ignore=(3,))  # as pixels that belong to no class
    expected = confusion(torch.where(truth == 3, -1, truth), found, 4)
    assert torch.equal(void.rows(step, "BA")["confusion"], expected)
    both = metric(data, Brightest(), colours={"A": COLOURS}, ignore=(3,))
    assert both.directions == ("AB", "BA")
    step = step_of(real_A=draw(truth), fake_B=random_images())
    seen = torch.where(step["fake_B"].amax(1) > 0, step["fake_B"].argmax(1), K)
    assert torch.equal(both.rows(step, "AB")["confusion"], confusion(torch.where(truth == 3, -1, truth), seen, K))
    without = metric(data, Brightest(), colours={"A": COLOURS})
    assert "the labels of A have the class 3, but the segmenter has 0 … 2" in refusal(without.rows, step, "AB")
    data.channels = {"A": 1, "B": 3}
    assert "colours.A: the domain has no images of 3 channels" in refusal(metric, data, colours={"A": COLOURS})


def test_classes_that_do_not_count() -> None:
    measure = metric(masker=Brightest(), ignore=(1, 255))
    step = step_of(real_A=one_hot(labels(), K), fake_B=random_images())
    found = torch.where(step["fake_B"].amax(1) > 0, step["fake_B"].argmax(1), K)
    expected = confusion(torch.where(labels() == 1, -1, labels()), found, K)
    assert torch.equal(measure.rows(step, "AB")["confusion"], expected)
    assert compute_values(measure, step) == scores(expected.sum(0), (1, 255)) != scores(expected.sum(0))
    data = labelled_photographs()
    step = Step({"given_labels_B": torch.full((2, 1, SIZE, SIZE), 255), "fake_A": random_images()}, samples=range(2))
    message = refusal(metric(data, Brightest()).rows, step, "BA")
    assert message == (
        "miou: the labels of B have the class 255, but the segmenter has 0 … 2; if it means no class, set ignore: [255]"
    )
    measure = metric(data, Brightest(), ignore=(255,))
    assert not measure.rows(step, "BA")["confusion"].any()
    assert "miou: no pixel of the labels counts" in refusal(compute_values, measure, step, "BA")


def test_an_evaluation_does_not_depend_on_its_batches() -> None:
    torch.manual_seed(0)
    method = Pix2Pix()
    engine = engine_of(method, {"G_AB": nn.Conv2d(K, 3, 1), "D_AB": nn.Conv2d(K + 3, 3, 1)})
    method.bind(engine.networks, Roles({"labels": Brightest()}))
    reader = Reader(Labelled(test=5), ImageSettings(size=SIZE))
    found = []
    for batch in (1, 2, 16):
        measure: MeanIoU = bind_metric("miou", method, reader=reader, roles=method.masks)
        found.append(values_of(engine, reader, measure, batch=batch))
    assert found[0] == found[1] == found[2]
    assert set(found[0]) == {"pixel_accuracy", "class_accuracy", "miou"}
    matrices = []
    for i in range(5):
        truth = torch.from_numpy(reader.dataset.sample("test", "A", i).image[:, :, 0].astype(np.int64))[None]
        with torch.no_grad():
            fake = engine.networks["G_AB"](one_hot(truth, K))
        matrices.append(confusion(truth, torch.where(fake.amax(1) > 0, fake.argmax(1), K), K))
    assert found[0] == scores(torch.cat(matrices).sum(0))


def test_what_cannot_be_measured_is_reported(tmp_path: Path) -> None:
    nothing = "this run has neither: remove it"
    assert nothing in refusal(metric)  # nobody looks
    assert nothing in refusal(metric, labelled_photographs(), Brightest(), Segmenter())  # nothing is translated
    assert nothing in refusal(metric, Noise(), Brightest())  # no labels
    data = labelled_photographs()
    data.channels = {"A": 4, "B": 4}
    assert nothing in refusal(metric, data, Brightest())  # nothing that can be seen
    assert nothing in refusal(metric, masker=Brightest(), uses={"labels": lambda mask: mask[:, :1]})  # one plane
    assert "maskers.labels does not use the image" in refusal(metric, masker=File())
    assert "set model, or remove them" in refusal(metric, classes=3)
    message = refusal(metric, model=SEGMENTER, weights=save_model(tmp_path, SEGMENTER, 5), classes=5)
    assert "the label maps of A have 3 classes, but the segmenter has 5" in message
    measure = metric(Labelled(pairs=True))
    message = refusal(measure.rows, step_of(fake_A=random_images()), "BA")
    assert "has no true pair for the measured images of B" in message
    message = refusal(
        metric(labelled_photographs(), Brightest()).rows, Step({"fake_A": random_images()}, samples=range(2)), "BA"
    )
    assert "has no labels for the measured images of B" in message
