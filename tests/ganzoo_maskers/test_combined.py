"""Union, intersection and difference, against numpy on the parts' own masks; what parts read and train is passed on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from ganzoo import create
from ganzoo.build import build_method
from ganzoo.interfaces import Draws, Roles, Step, keyed
from ganzoo.masks.postprocess import MaskTransform
from ganzoo_maskers.learned import Learned
from tests.support.command_line import refusal
from tests.support.stand_in_components import COMPLETE, mistakes, read

COLOURS = {"masker": "colours", "classes": {"dark": [30, 30, 30], "light": [220, 220, 220]}}
NAMES = ("union", "intersection", "difference")


def images(count: int = 2) -> Tensor:
    return torch.rand(count, 3, 12, 10, generator=torch.Generator().manual_seed(0)) * 2 - 1


def draws(count: int = 2) -> Draws:
    return Draws([keyed(5, sample) for sample in range(count)])


def make(name: str, *parts: Any) -> Any:
    return create("masker", name, of=list(parts))


def expected(name: str, masks: list[np.ndarray]) -> np.ndarray:
    first, *others = masks
    return {
        "union": np.maximum.reduce(masks),
        "intersection": np.minimum.reduce(masks),
        "difference": np.minimum.reduce([first, *[1 - one for one in others]]),
    }[name]


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("count", [2, 3])
def test_soft_masks_are_combined_by_maximum_and_minimum(name: str, count: int) -> None:
    image = images()
    parts: list[Any] = [{"masker": "saliency", "size": 10}, {"masker": "otsu", "soften": 1.0}, "round"][:count]
    alone = [
        create("masker", "saliency", size=10)(image, draws()),
        MaskTransform(soften=1.0)(create("masker", "otsu")(image, draws())),
        create("masker", "round")(image, draws()),
    ][:count]
    mask = make(name, *parts)(image, draws())
    assert mask.shape == (2, 1, 12, 10) and 0 < mask.mean() < 1
    assert np.array_equal(mask.numpy(), expected(name, [one.numpy() for one in alone]))


def test_a_mask_combined_with_itself_stays_and_less_itself_is_small() -> None:
    image, soft = images(), {"masker": "saliency", "size": 10}
    alone = create("masker", "saliency", size=10)(image, draws())
    assert torch.equal(make("union", soft, soft)(image, draws()), alone)
    assert torch.equal(make("intersection", soft, soft)(image, draws()), alone)
    assert make("difference", soft, soft)(image, draws()).max() <= 0.5
    assert make("difference", "otsu", "otsu")(image, draws()).max() == 0


def test_parts_of_parts_and_their_post_processing() -> None:
    image = images()
    ring = make("difference", {"masker": "round", "scale": 0.9}, {"masker": "round", "scale": 0.4, "grow": 1})
    outside = make("intersection", {"masker": "union", "of": ["otsu", "round"], "invert": True}, "full")
    wide, narrow = (create("masker", "round", scale=scale)(image, draws()) for scale in (0.9, 0.4))
    assert torch.equal(ring(image, draws()), wide * (1 - MaskTransform(grow=1)(narrow)))
    bright, inside = (create("masker", name)(image, draws()) for name in ("otsu", "round"))
    assert torch.equal(outside(image, draws()), (1 - bright) * (1 - inside))


def test_random_parts_draw_in_turn_for_each_sample() -> None:
    image = images()
    shape = {"masker": "multi_rectangle"}
    together = make("union", shape, shape)(image, draws())
    rng, masker = draws(), create("masker", "multi_rectangle")
    first, second = masker(image, rng), masker(image, rng)
    assert not torch.equal(first, second) and torch.equal(together, torch.maximum(first, second))
    alone = make("union", shape, shape)(image[1:], Draws([keyed(5, 1)]))
    assert torch.equal(alone[0], together[1])


def test_planes_and_classes() -> None:
    image = images()
    chosen = make("union", {**COLOURS, "foreground": [1]}, "otsu")
    assert (chosen.planes, chosen.classes) == (1, ())
    light = create("masker", "colours", classes=COLOURS["classes"])(image, draws())[:, 1:]
    assert torch.equal(chosen(image, draws()), torch.maximum(light, create("masker", "otsu")(image, draws())))
    each = make("intersection", COLOURS, {**COLOURS, "blur": 0.3})
    assert (each.planes, each.classes) == (2, ("dark", "light"))
    assert each(image, draws()).shape == (2, 2, 12, 10)
    renamed = {**COLOURS, "classes": {"black": [0, 0, 0], "white": [255, 255, 255]}}
    assert make("union", COLOURS, renamed).classes == ()


@pytest.mark.parametrize(
    ("parts", "needs"),
    [
        (["full", "round"], ()),
        (["otsu", "round"], ("image",)),
        (["round", "file"], ("given",)),
        (["file", {"masker": "union", "of": ["otsu", "full"]}], ("image", "given")),
    ],
)
def test_it_reads_what_its_parts_read(parts: list[Any], needs: tuple[str, ...]) -> None:
    assert make("union", *parts).needs == needs


def test_a_part_reads_the_masks_of_the_data_set() -> None:
    masks = Roles({"composite": make("difference", "full", "file")})
    step = Step({"real_A": images(), "given_mask_A": torch.rand(2, 1, 12, 10)}, samples=[0, 1], seed=0)
    assert torch.equal(masks.mask("composite", step, "real_A"), 1 - step["given_mask_A"])
    message = refusal(masks.mask, "composite", Step({"real_A": images()}, samples=[0, 1], seed=0), "real_A")
    assert "it reads the data set's masks, but the step has no 'given_mask_A'" in message


def test_a_label_map_is_foreground_where_it_is_not_0() -> None:
    labels = torch.randint(0, 3, (2, 1, 12, 10), generator=torch.Generator().manual_seed(0))
    mask = make("intersection", "file", "full")(images(), draws(), labels)
    assert mask.dtype == torch.float32 and torch.equal(mask, (labels != 0).float())


def test_a_learned_part_is_trained_with_terms_of_the_combined_mask() -> None:
    masker = make("union", "round", {"masker": "learned", "width": 2})
    assert masker.trains == "joint"
    mask = masker(images(), draws())
    (learned,) = [part for part in masker.parts if isinstance(part, Learned)]
    terms = masker.terms(mask)
    assert terms == {f"1_{name}": value for name, value in learned.terms(mask).items()} and len(terms) == 3
    sum(terms.values()).backward()
    assert all(one.grad is not None and one.grad.isfinite().all() for one in learned.parameters())
    method = build_method(
        read(COMPLETE + "maskers: {composite: {masker: union, of: [round, {masker: learned, width: 2}]}}\n"),
        {"A": 3, "B": 3},
    )
    assert set(method.networks["masker_composite"].state_dict()) == {f"parts.1.{name}" for name in learned.state_dict()}


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        (["full"], "of"),
        ([COLOURS, "otsu"], "union: 'colours' makes 2 planes, 'otsu' 1: choose classes with foreground: [classes]"),
        ([{**COLOURS, "foreground": [2]}, "otsu"], "union: 'colours' has no class 2; it makes 2 planes"),
        ([{"masker": "shared", "role": "input"}, "full"], "union: 'shared' takes another role's mask"),
        ([{"masker": "unet", "width": 2}, "full"], "union: 'unet' is untrained: give it weights"),
        ([{"masker": "learned", "threshold": 0.5}, "full"], "union: 'learned' is trained, and no gradient passes"),
    ],
)
def test_parts_that_cannot_be_combined_are_refused(parts: list[Any], message: str) -> None:
    assert message in refusal(make, "union", *parts)


def test_a_learned_part_does_not_train_the_weights_of_another() -> None:
    from ganzoo_maskers.combined import Union

    class Frozen:
        name, kind_options = "frozen", {"foreground": ()}

        def make(self) -> Any:
            return create("masker", "learned", width=2)

    untrained: Any = Frozen()
    trained: Any = Frozen()
    trained.name = "trained"
    untrained.make = lambda: _without_training(create("masker", "learned", width=2))
    message = refusal(Union, of=(trained, untrained))
    assert message.startswith("union: 'trained' is trained, and would train the weights of 'frozen', too: ")


def _without_training(masker: Any) -> Any:
    masker.trains = ""
    return masker


def test_a_recipe_reports_mistakes_at_the_masker() -> None:
    text = COMPLETE + "maskers: {composite: {masker: union, of: [otsuu, full]}}\n"
    (problem,) = mistakes(text)
    assert "maskers.composite.of.0" in problem and "did you mean 'otsu'" in problem
