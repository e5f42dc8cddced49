"""The checks of what losses, maskers, generators, discriminators and methods return: each refuses what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch

from ganzoo.contracts import method_results as results
from ganzoo.contracts.discriminator import check_logit_values
from ganzoo.contracts.generator import check_generated, check_generated_values
from ganzoo.contracts.loss import check_loss_value
from ganzoo.contracts.masker import check_mask, check_mask_values
from ganzoo.contracts.origin import Origin
from ganzoo.errors import ComponentError
from ganzoo.interfaces import Output

ORIGIN = Origin(dict, "loss", "tint", "mine")
IMAGES = torch.zeros(2, 3, 5, 7)
INPUT = torch.zeros(2, 3, 5, 7, requires_grad=True)
NAN = float("nan")
CHANNELS = {"A": 3, "B": 1}


def refused(check: Callable[[], object]) -> str:
    with pytest.raises(ComponentError) as caught:
        check()
    assert str(caught.value).startswith("loss 'tint' of plugin 'mine': ")
    return str(caught.value)


def test_a_loss_is_a_finite_scalar_with_a_gradient() -> None:
    check_loss_value(INPUT.mean(), ORIGIN, [INPUT])
    check_loss_value(torch.zeros(()), ORIGIN, [INPUT])  # nothing to measure
    check_loss_value(torch.ones(()), ORIGIN, [INPUT], weight=0)
    check_loss_value(torch.ones(()), ORIGIN, [IMAGES])
    for wrong in (torch.ones(1), 0.5, None, torch.ones((), dtype=torch.int64), torch.tensor(True)):
        assert "expected a scalar tensor" in refused(lambda wrong=wrong: check_loss_value(wrong, ORIGIN))  # type: ignore[misc]
    assert "not finite" in refused(lambda: check_loss_value(torch.tensor(NAN), ORIGIN))
    assert "without gradient" in refused(lambda: check_loss_value(torch.ones(()), ORIGIN, [INPUT]))
    on_meta = torch.ones((), device="meta")
    assert "on cpu" in refused(lambda: check_loss_value(on_meta, ORIGIN, device=torch.device("cpu")))


@pytest.mark.parametrize(
    "mask",
    [
        *(torch.zeros(2, 5, 7), torch.zeros(2, 2, 5, 7), torch.zeros(1, 1, 5, 7), torch.zeros(2, 1, 6, 7)),
        *(torch.zeros(2, 1, 5, 7, dtype=torch.bool), torch.zeros(2, 1, 5, 7, device="meta"), None),
    ],
)
def test_a_mask_has_a_plane_of_floats_for_each_image(mask: Any) -> None:
    good = torch.zeros(2, 1, 5, 7)
    assert check_mask(good, IMAGES, 1, ORIGIN) is good
    assert "expected a mask (B, K, H, W) = (2, 1, 5, 7)" in refused(lambda: check_mask(mask, IMAGES, 1, ORIGIN))


@pytest.mark.parametrize("value", [-5.0, 5.0, NAN])
def test_a_mask_has_values_from_0_to_1(value: float) -> None:
    check_mask_values(torch.tensor([0.0, 1.0]), ORIGIN)
    refused(lambda: check_mask_values(torch.tensor([0.0, value]), ORIGIN))


def test_a_generator_makes_images_of_the_size_of_its_input() -> None:
    good = torch.zeros(2, 1, 5, 7)
    assert check_generated(good, IMAGES, 1, ORIGIN) is good
    for wrong in ([good], good[:1], good[..., :6], torch.zeros(2, 3, 5, 7), good.long()):
        text = refused(lambda wrong=wrong: check_generated(wrong, IMAGES, 1, ORIGIN))  # type: ignore[misc]
        assert "expected images (2, 1, 5, 7) for an input of shape (2, 3, 5, 7)" in text
    assert "up to 255" in refused(lambda: check_generated_values(good + 255, ORIGIN))
    assert "not finite" in refused(lambda: check_generated_values(good + NAN, ORIGIN))


def test_a_discriminator_makes_maps_of_logits() -> None:
    good = torch.zeros(2, 1, 2, 2)
    for right in (good, [good, torch.zeros(2, 1)], (good,)):
        check_logit_values(right, IMAGES, ORIGIN)
    for wrong in ([], {"a": good}, good.mean(), good[:1], [good, None], good.long(), good + NAN):
        refused(lambda wrong=wrong: check_logit_values(wrong, IMAGES, ORIGIN))  # type: ignore[misc]


@dataclass
class Case:
    """A wrong result of a method's function, and the words that its error must have."""

    check: Callable[[], object]
    words: str


FAKE = {"fake_B": Output("A", "B"), "late_A": Output("B", "A", for_losses=False)}
GOOD = {"real_A": IMAGES, "real_B": IMAGES[:, :1], "fake_B": torch.zeros(2, 1, 5, 7)}
CASES = {
    "list of terms": Case(lambda: results.check_terms([torch.ones(())], ORIGIN, "g"), "losses of the phase 'g'"),
    "map as a term": Case(lambda: results.check_terms({"a": IMAGES}, ORIGIN, "g"), "the term 'a'"),
    "detached term": Case(lambda: results.check_term_values({"a": torch.ones(())}, ORIGIN, "g"), "without gradient"),
    "infinite term": Case(
        lambda: results.check_term_values({"a": torch.tensor(float("inf"))}, ORIGIN, "g"), "not finite"
    ),
    "missing tensor": Case(
        lambda: results.check_tensors({"real_A": IMAGES}, FAKE, CHANNELS, ORIGIN), "without a tensor 'fake_B'"
    ),
    "other channels": Case(
        lambda: results.check_tensors({**GOOD, "fake_B": IMAGES}, FAKE, CHANNELS, ORIGIN), "expected images of B"
    ),
    "no translation": Case(lambda: results.check_translation(None, IMAGES, "AB", CHANNELS, ORIGIN), "returned None"),
    "translation as a tuple": Case(
        lambda: results.check_translation((IMAGES,), IMAGES, "AA", CHANNELS, ORIGIN), "a tuple of 1 values"
    ),
    "translation of other channels": Case(
        lambda: results.check_translation(IMAGES, IMAGES, "AB", CHANNELS, ORIGIN), "expected images (2, 1, 5, 7)"
    ),
    "translated": Case(lambda: results.check_translated("fake_C", FAKE, "AB", ORIGIN), "did you mean 'fake_B'?"),
    "style size": Case(lambda: results.check_style_size(2.5, "B", ORIGIN), "expected a whole number"),
    "styles": Case(lambda: results.check_styles(torch.zeros(8), 1, 8, "draw_style", ORIGIN), "draw_style returned"),
    "state": Case(lambda: results.check_state({"n": 3}, ORIGIN), "'n': the int 3"),
    "state that is lost": Case(
        lambda: results.check_restored({"n": torch.ones(1)}, {}, ORIGIN), "after load_state_dict(state)"
    ),
    "no networks": Case(lambda: results.check_networks(None, {"F": 0}, ORIGIN), "setup returned None"),
    "unknown slot": Case(lambda: results.check_networks({"f": torch.nn.ReLU()}, {"F": 0}, ORIGIN), "network 'f'"),
    "no rate": Case(lambda: results.check_lr_factor(None, ORIGIN), "lr_factor returned None"),
    "negative rate": Case(lambda: results.check_lr_factor(-0.5, ORIGIN), "expected a finite number, 0 or more"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_result_of_a_method_is_refused(name: str) -> None:
    assert CASES[name].words in refused(CASES[name].check)


def test_right_results_of_a_method_pass() -> None:
    loss = INPUT.mean()
    assert results.check_terms({"a": loss}, ORIGIN, "g") == {"a": loss}
    results.check_term_values({"a": loss, "nothing": torch.zeros(())}, ORIGIN, "g")
    results.check_tensors(GOOD, FAKE, CHANNELS, ORIGIN)
    results.check_tensors({"real_A": IMAGES}, FAKE, CHANNELS, ORIGIN, training=False)
    assert results.check_translation(IMAGES[:, :1], IMAGES[:, :1], "AA", CHANNELS, ORIGIN).shape == (2, 1, 5, 7)
    results.check_translated("fake_B", FAKE, "AB", ORIGIN)
    assert results.check_styles(torch.zeros(2, 8), 2, 8, "draw_style", ORIGIN).shape == (2, 8)
    results.check_restored({"n": torch.ones(1)}, {"n": torch.ones(1)}, ORIGIN)
    assert results.check_lr_factor(1, ORIGIN) == 1.0
