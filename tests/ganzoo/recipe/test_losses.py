"""The losses of a recipe: the tensors and phases they attach to, and the errors for those that cannot."""

from __future__ import annotations

from textwrap import dedent

import pytest

from tests.support.stand_in_components import COMPLETE, mistakes, mistakes_of_section, read

pytestmark = pytest.mark.usefixtures("stand_ins")


def test_losses_attach_to_existing_tensors() -> None:
    recipe = read(
        COMPLETE
        + dedent("""\
        losses:
          tint: {loss: l1, of: {image: fake_B, target: real_B}, weight: 5e-1}
          smooth: {loss: total_variation, of: rec_A}
          loose: {loss: sloppy, of: {image: fake_A, labels: given_labels_B}}
          given: {loss: l1, of: {image: fake_B, target: true_B}, phase: generator}
          left: null
        """)
    )
    assert recipe.losses["tint"].kind_options == {
        "of": {"image": "fake_B", "target": "real_B"},
        "weight": 0.5,
        "phase": "generator",
    }
    assert recipe.losses["smooth"].kind_options["of"] == {"image": "rec_A"}
    assert list(recipe.losses) == ["tint", "smooth", "loose", "given"]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("{loss: l1, of: {image: fake_C, target: real_A}}", ".of.image: the method makes no tensor 'fake_C' (did you"),
        (
            "{loss: l1, of: {image: fake_B, traget: real_A, target: real_A}}",
            ".of.traget: the loss has no input 'traget'",
        ),
        ("{loss: l1, of: fake_B}", ".of: the loss also reads 'target': add it to 'of'"),
        ("{loss: l1}", ": the option 'of' (dict[str, str] | str) is missing"),
        ("{loss: l1, of: 5}", ".of: of is 5: input should be a mapping; or: input should be a valid string"),
        ("{loss: sloppy, of: fake_B, phase: generatr}", ".phase: the method has no phase 'generatr' (did you mean"),
        (
            "{loss: sloppy, of: fake_B, phase: discriminator}",
            ".phase: the phase 'discriminator' trains no gen",
        ),
        ("{loss: sloppy, of: fake_B, weight: much}", ".weight: weight is 'much': input should be a valid number"),
        ("{loss: sloppy, of: fake_B, wieght: 2}", ".wieght: unknown option 'wieght' (did you mean 'weight'?)"),
        ("fake_B", ".loss: unknown loss 'fake_B' (there are: background, colour, contextual, dist"),
        ("7", ": it is 7; a loss must be a mapping"),
    ],
)
def test_losses_that_cannot_attach(loss: str, message: str) -> None:
    lines = mistakes_of_section(f"losses:\n  x: {loss}\n")
    assert len(lines) == 1
    assert lines[0].startswith(f"r.yaml:5: losses.x{message}")


LABELS = COMPLETE + "losses: {x: {loss: sloppy, of: {image: fake_B, labels: labels_mask_real_A}}}\n"


def test_a_loss_can_read_masks_and_allows_the_role_labels_in_any_method() -> None:
    recipe = read(LABELS + "maskers: {labels: {masker: planes, planes: 3}}\n")
    assert recipe.losses["x"].kind_options["of"] == {"image": "fake_B", "labels": "labels_mask_real_A"}
    assert recipe.maskers["labels"].options == {"planes": 3}
    discriminator = LABELS.replace("labels_mask", "discriminator_mask") + "maskers: {discriminator: planes}\n"
    assert read(discriminator).losses["x"].kind_options["of"]["labels"] == "discriminator_mask_real_A"


@pytest.mark.parametrize(
    ("text", "overrides", "message"),
    [
        (LABELS, [], "r.yaml:4: losses.x.of.labels: the method makes no tensor 'labels_mask_real_A' without a masker"),
        (LABELS, ["maskers.labels=planes", "losses.x=null"], "maskers.labels: the method takes no mask in the role"),
        (LABELS, ["maskers.labels=planes", "losses.x.of.labels=labels_mask_fake_C"], "no tensor 'labels_mask_fake_C'"),
        (LABELS, ["maskers.labels=planes", "maskers.input=planes"], "maskers.input: the method takes no mask"),
    ],
)
def test_masks_that_are_not_made_or_not_read_are_refused(text: str, overrides: list[str], message: str) -> None:
    (line,) = mistakes(text, *overrides)
    assert message in line


def test_a_term_that_is_switched_off_makes_no_tensor() -> None:
    text = COMPLETE + "losses: {smooth: {loss: total_variation, of: rec_A}}\n"
    assert "smooth" in read(text).losses
    assert "the method makes no tensor 'rec_A'" in mistakes(text, "method.without=[cycle_A]")[0]


def test_no_loss_attaches_to_a_method_without_phases() -> None:
    lines = mistakes("method: picky\ndata: striped_digits\nlosses: {x: {loss: sloppy, of: real_A}}\n")
    assert lines[1:] == ["r.yaml:3: losses.x: the method has no training phases, so no loss can be attached to it"]
