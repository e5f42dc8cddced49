"""Augmentation: masks and label maps change with their image; draws are keyed; pairs change alike."""

from __future__ import annotations

import torch
from torch import Tensor

from ganzoo.data.transforms import _change_colours, augment
from ganzoo.settings import ImageSettings
from ganzoo.step import Step


def planes(batch: int = 12, size: int = 9) -> Step:
    image = torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = (image[:, :1] > 0).long()
    tensors = {f"real_{d}": image.clone() for d in "AB"} | {f"given_mask_{d}": labels.float() for d in "AB"}
    tensors |= {f"given_labels_{d}": labels.clone() for d in "AB"} | {"true_B": image.clone(), "true_A": image.clone()}
    return Step(tensors, samples=range(batch), index=2)


def flipped(step: Step, name: str, original: Step) -> list[bool]:
    now, was = step[name], original[name]
    same = [torch.equal(a, b) for a, b in zip(now, was, strict=True)]
    mirrored = [torch.equal(a, b.flip(-1)) for a, b in zip(now, was, strict=True)]
    assert all(a or b for a, b in zip(same, mirrored, strict=True))
    return mirrored


def test_a_flip_applies_to_mask_labels_and_target() -> None:
    step, original = planes(), planes()
    augment(step, ImageSettings(size=9), paired=False)
    of_a = flipped(step, "real_A", original)
    assert 0 < sum(of_a) < 12
    for name in ("given_mask_A", "given_labels_A", "true_B"):
        assert flipped(step, name, original) == of_a
    of_b = flipped(step, "real_B", original)
    assert of_b != of_a
    assert flipped(step, "true_A", original) == of_b


def test_pairs_are_flipped_together_and_flip_off_is_off() -> None:
    step, original = planes(), planes()
    augment(step, ImageSettings(size=9), paired=True)
    assert flipped(step, "real_A", original) == flipped(step, "real_B", original)
    off = planes()
    augment(off, ImageSettings(size=9, flip=False), paired=False)
    assert all(torch.equal(off[name], original[name]) for name in off)


def test_the_draws_do_not_depend_on_the_batch() -> None:
    whole, half = planes(), planes()
    images = ImageSettings(size=9, rotate=20, color=0.3)
    augment(whole, images, paired=False)
    part = Step({name: half[name][6:] for name in half}, samples=range(6, 12), index=2)
    augment(part, images, paired=False)
    for name in part:
        torch.testing.assert_close(part[name].double(), whole[name][6:].double())


def test_a_rotation_by_90_degrees_is_exact_and_labels_stay_labels() -> None:
    from ganzoo.data.transforms import _rotate

    labels = torch.arange(81).reshape(1, 1, 9, 9)
    assert torch.equal(_rotate(labels, torch.tensor([90.0])), torch.rot90(labels, 1, (2, 3)))
    step = planes()
    augment(step, ImageSettings(size=9, rotate=30, flip=False), paired=False)
    assert step["given_labels_A"].dtype == torch.int64
    assert set(step["given_labels_A"].unique().tolist()) <= {0, 1}
    assert not torch.equal(step["real_A"], planes()["real_A"])


def test_a_rotation_applies_to_mask_labels_and_target() -> None:
    """Smooth images, whose masks and label maps say where they are bright: also after the rotation."""
    ramp = torch.linspace(-1, 1, 33).expand(4, 3, 33, 33)
    inside = (ramp[:, :1] > 0.25).long()
    tensors = {"real_A": ramp, "true_B": ramp, "given_mask_A": inside.float(), "given_labels_A": inside}
    step = Step({name: plane.clone() for name, plane in tensors.items()}, samples=range(4), index=2)
    augment(step, ImageSettings(size=33, rotate=60, flip=False), paired=False)
    assert torch.equal(step["true_B"], step["real_A"])
    bright = (step["real_A"][:, :1] > 0.25).long()
    for name in ("given_mask_A", "given_labels_A"):
        moved, kept = ((step[name].round().long() != one).float().mean() for one in (inside, bright))
        assert kept < 0.05 < 0.1 < moved


def test_colour_changes_only_images() -> None:
    step, original = planes(), planes()
    augment(step, ImageSettings(size=9, color=0.4, flip=False), paired=False)
    changes: dict[str, Tensor] = {name: (step[name] - original[name]).abs().max() for name in step}
    assert {name for name, change in changes.items() if change > 0} == {"real_A", "real_B", "true_A", "true_B"}
    assert step["real_A"].min() >= -1 and step["real_A"].max() <= 1


def test_colours_change_by_their_formulas() -> None:
    """Multiples of the image, of the distance to its mean grey, and of the saturation in HSV."""
    image = torch.rand(1, 3, 6, 5) * 0.4 + 0.3
    for factors in ((1.2, 1, 1), (1, 1.3, 1), (1, 0.6, 1), (1, 1, 0.5), (1, 1, 1.2)):
        brightness, contrast, saturation = factors
        mean = (image * torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1, 1)).sum(1).mean()
        expected = mean * (1 - contrast) + image * brightness * contrast
        if saturation != 1:  # the largest channel stays; the others move towards it, or away
            expected = image.amax(1, keepdim=True) - saturation * (image.amax(1, keepdim=True) - image)
        changed = _change_colours(image * 2 - 1, torch.tensor([factors]))
        torch.testing.assert_close(changed / 2 + 0.5, expected, rtol=0, atol=1e-5)
