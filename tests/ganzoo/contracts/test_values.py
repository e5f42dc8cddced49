"""What a component returned is described in words; modules, scalars and independent samples are told from others."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.contracts.describe import describe
from ganzoo.contracts.origin import Origin
from ganzoo.contracts.values import check_independent, check_module, scalars
from ganzoo.errors import ComponentError


class Forgetful(nn.Module):
    def __init__(self) -> None:
        self.width = 3


ORIGIN = Origin(Forgetful, "loss", "tint", "mine")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (torch.zeros(2, 1, dtype=torch.int64), "a tensor of shape (2, 1), int64"),
        (None, "None"),
        (True, "the bool True"),
        ((1, 2), "a tuple of 2 values"),
        ({}, "a dict with nothing"),
        (nn.Identity(), "an Identity"),
    ],
)
def test_a_value_in_words(value: object, words: str) -> None:
    assert describe(value) == words


@pytest.mark.parametrize("value", [object(), Forgetful()])
def test_a_component_must_be_a_whole_module(value: object) -> None:
    check_module(nn.Identity(), ORIGIN)
    with pytest.raises(ComponentError, match="super().__init__()".replace("(", r"\(").replace(")", r"\)")):
        check_module(value, ORIGIN)


@pytest.mark.parametrize("terms", [[torch.zeros(())], {1: torch.zeros(())}, {"a": torch.zeros(1)}, {"a": 0.5}, None])
def test_terms_are_named_scalars(terms: object) -> None:
    assert scalars({"a": torch.ones(())}, ORIGIN, "terms") == {"a": torch.ones(())}
    with pytest.raises(ComponentError, match="terms"):
        scalars(terms, ORIGIN, "terms")


def test_a_sample_must_not_depend_on_its_neighbours() -> None:
    images = torch.tensor([0.1, 0.9]).reshape(2, 1, 1, 1).expand(2, 3, 4, 4)

    def minus_mean(batch: Tensor) -> Tensor:
        return batch - batch.mean()

    check_independent(images, images[1:] + 1e-4, ORIGIN, "forward")
    with pytest.raises(ComponentError, match="do not depend on the other images of the batch"):
        check_independent(minus_mean(images), minus_mean(images[1:]), ORIGIN, "forward")
