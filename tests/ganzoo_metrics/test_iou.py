"""Intersection over union against a plain loop, its baselines, and what has nothing to compare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from ganzoo import GanzooError
from ganzoo.data.loader import Reader, evaluation_rows
from ganzoo.interfaces import Masker, Method, Sample, Split
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.settings import ImageSettings
from ganzoo.step import Step
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_maskers.fixed import File, Full, Shared
from ganzoo_maskers.square import CenteredSquare
from ganzoo_metrics.iou import MaskIoU, iou
from ganzoo_segmenter.method import Segmenter
from tests.support.stand_in_methods import Noise, batch_step


class Masked(Noise):
    """Images of domain A, higher than wide where ``height`` says so, with masks of noise of one mean an image."""

    channels: Mapping[str, int] = {"A": 3}

    def __init__(self, *, height: int = 12) -> None:
        super().__init__(A=5, size=12)
        self.height = height

    def sample(self, split: Split, domain: str, index: int) -> Sample:
        drawn = np.random.default_rng([len(split), index])
        image = drawn.integers(0, 256, (self.height, 12, 3), dtype=np.uint8)
        mask = np.kron(drawn.random((self.height // 4, 3)), np.ones((4, 4))) * 255
        return Sample(image, f"{index}.png", mask=mask.astype(np.uint8))


class Left(Masker):
    """1 where the image's mean over channels is above its middle row's: it looks."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) > 0).float()


def plain_iou(one: Tensor, other: Tensor) -> list[float]:
    found = []
    for a, b in zip(one.flatten(1).tolist(), other.flatten(1).tolist(), strict=True):
        both = sum(x >= 0.5 and y >= 0.5 for x, y in zip(a, b, strict=True))
        either = sum(x >= 0.5 or y >= 0.5 for x, y in zip(a, b, strict=True))
        found.append(both / either if either else 1.0)
    return found


def test_it_is_intersection_over_union() -> None:
    one, other = torch.rand(2, 6, 1, 5, 7, generator=torch.Generator().manual_seed(0))
    one[1], other[1] = 0.2, 0.4  # both empty: they agree
    one[2], other[3] = 0, 0
    one[4], other[4] = 0.5, 0.9
    found = iou(one, other)
    assert found.tolist() == pytest.approx(plain_iou(one, other))
    assert found[[1, 2, 3, 4]].tolist() == [1, 0, 0, 1]
    assert 0.1 < found[0] < 0.9


def evaluation_step(dataset: Masked, size: int, fit: str = "stretch") -> Step:
    rows = evaluation_rows({"A": 4})
    planes = Reader(dataset, ImageSettings(size=size, fit=fit)).evaluation_batch("test", rows).planes  # type: ignore[arg-type]
    return Step({"given_mask_A": torch.from_numpy(planes["given_mask_A"])[:, None] / 255}, samples=range(4))


def supervised(dataset: Masked, size: int = 8, fit: str = "stretch") -> MaskIoU:
    metric, method = MaskIoU(), Segmenter()
    Method.bind(method, {}, Roles())
    metric.bind(method, Reader(dataset, ImageSettings(size=size, fit=fit)))  # type: ignore[arg-type]
    metric.prepare(0)
    return metric


@pytest.mark.parametrize("size", [12, 8])
def test_a_supervised_method_is_measured_beside_two_baselines(size: int) -> None:
    dataset = Masked()
    metric, step = supervised(dataset, size), evaluation_step(dataset, size)
    step["mask_A"] = torch.rand(4, 1, size, size, generator=torch.Generator().manual_seed(0))
    training = Reader(dataset, ImageSettings(size=size)).evaluation_batch("train", evaluation_rows({"A": 5}))
    mean = sum(mask / 255 for mask in training.planes["given_mask_A"].astype(float)) / 5
    mean_masks = torch.from_numpy(mean).expand(4, 1, size, size)
    given = step["given_mask_A"]
    values = metric.compute(metric.rows(step, "AA"), {})
    assert values == {
        "mask_iou": pytest.approx(np.mean(plain_iou(step["mask_A"], given))),
        "mask_iou_all_foreground": pytest.approx(np.mean(plain_iou(torch.ones_like(given), given))),
        "mask_iou_mean_mask": pytest.approx(np.mean(plain_iou(mean_masks, given))),
    }
    assert len(set(values.values())) == 3
    step["mask_A"] = given
    assert metric.rows(step, "AA")["mask_iou"].tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize("fit", ["stretch", "cover"])
def test_the_mean_is_scaled_as_the_images_are(fit: str) -> None:
    dataset = Masked(height=20)
    masks = []
    for index in range(5):
        mask = Image.fromarray(np.asarray(dataset.sample("train", "A", index).mask))
        scaled = mask.resize((8, 8) if fit == "stretch" else (8, 13), Image.Resampling.BILINEAR)
        masks.append(np.asarray(scaled)[(scaled.height - 8) // 2 :][:8] / 255)
    expected = torch.from_numpy(np.mean(masks, axis=0)).float()
    torch.testing.assert_close(supervised(dataset, 8, fit).mean[0, 0], expected)


def test_a_training_image_without_a_mask_is_reported() -> None:
    class Lacking(Masked):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            found = super().sample(split, domain, index)
            return replace(found, mask=None) if index == 3 else found

    with pytest.raises(GanzooError, match=r"data: 3\.png of domain A has no mask, but others have one"):
        supervised(Lacking())


def test_a_data_set_without_training_images_is_reported() -> None:
    class Held(Masked):
        def count(self, split: Split, domain: str) -> int:
            return 0 if split == "train" else super().count(split, domain)

    with pytest.raises(GanzooError, match=r"mask_iou compares .* and the data set has no training images of A"):
        supervised(Held())


def test_training_images_without_masks_are_reported() -> None:
    class Bare(Masked):
        def sample(self, split: Split, domain: str, index: int) -> Sample:
            return replace(super().sample(split, domain, index), mask=None)

    with pytest.raises(GanzooError, match="mask_iou compares with the mean of the training masks, and training imag"):
        supervised(Bare())


def test_what_is_not_there_to_be_compared_is_reported() -> None:
    dataset = Masked()
    metric, step = supervised(dataset), evaluation_step(dataset, 8)
    with pytest.raises(GanzooError, match="needs 'mask_A', which the method does not make"):
        metric.rows(step, "AA")
    bare = Step({"mask_A": torch.zeros(4, 1, 8, 8)}, samples=range(4))
    with pytest.raises(GanzooError, match="needs 'given_mask_A', which the data set does not provide"):
        metric.rows(bare, "AA")


def translating(maskers: dict[str, Masker], **options: str) -> MaskIoU:
    metric, method = MaskIoU(**options), CycleGAN()  # type: ignore[arg-type]
    method.bind({}, Roles(maskers))
    metric.bind(method, Reader(Masked(), ImageSettings(size=8)))
    metric.prepare(0)
    return metric


@pytest.mark.parametrize("role", ["discriminator", "composite"])
def test_a_translation_is_compared_with_its_source(role: str) -> None:
    metric, step, masker = translating({role: Left()}, role=role), batch_step(), Left()
    step["fake_B"], step["fake_A"] = step["real_A"].flip(-1), step["real_B"] + 0.3
    for direction, made, was in (("AB", "fake_B", "real_A"), ("BA", "fake_A", "real_B")):
        masks = [masker(step[name], Draws([])) for name in (made, was)]
        rows = metric.rows(step, direction)  # type: ignore[arg-type]
        assert rows["mask_iou"].tolist() == pytest.approx(plain_iou(*masks))
        assert 0 < float(rows["mask_iou"].min()) < 1


def test_a_role_without_a_masker_that_uses_the_image_is_reported() -> None:
    with pytest.raises(GanzooError, match=r"no masker in the role 'input', .*; roles with maskers: discriminator"):
        translating({"discriminator": Left()}, role="input")
    for blind in (File(), Full(), Shared(role="composite")):
        with pytest.raises(GanzooError, match=r"maskers\.discriminator does not use the image"):
            translating({"discriminator": blind, "composite": CenteredSquare()})
