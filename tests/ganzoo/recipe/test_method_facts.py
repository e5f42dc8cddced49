"""What a method has by its defaults and by each value of its switches, for completion in editors."""

from __future__ import annotations

import pytest

from ganzoo.plugins import plugins
from ganzoo.recipe.method_facts import MethodFacts, tensor_names


def facts(name: str) -> MethodFacts:
    return MethodFacts(plugins().registry.get("method", name).load())


def test_slots_and_their_groups_have_the_kind_of_their_networks() -> None:
    masked = facts("mask_cyclegan").networks
    assert {slot for slot, kind in masked.items() if kind == "generator"} == {"G", "G_AB", "G_BA"}
    assert {"D", "D_A", "D_masked", "D_masked_B"} <= {slot for slot, kind in masked.items() if kind == "discriminator"}
    assert "E_AB" not in masked  # the method builds it itself
    assert "D_content" not in facts("drit").networks


def test_losses_attach_to_phases_that_train_generators() -> None:
    assert set(facts("cut").phases) == {"generator"}
    assert {"fake_B", "rec_A", "true_A", "given_mask_B"} <= set(tensor_names([facts("cyclegan")]))


@pytest.mark.parametrize("name", ["art2real", "gatys"])
def test_a_method_that_needs_a_file_or_weights_is_not_constructed(name: str) -> None:
    assert not facts(name).known


def test_a_class_that_cannot_be_imported_has_no_facts() -> None:
    assert (MethodFacts(None).known, MethodFacts(None).networks) == (False, {})
