"""Attached losses: their phase, weight, masks and precision."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.errors import GanzooError
from ganzoo.interfaces import Loss
from ganzoo.masks.roles import Roles
from ganzoo.step import Step
from tests.support.stand_in_methods import (
    Constant,
    Toy,
    batch_step,
    changed,
    engine_of,
    weights,
)


class Mean(Loss):
    """The mean of an image."""

    def forward(self, image: Tensor) -> Tensor:
        return image.mean()


def test_an_attached_loss_joins_its_phase_with_its_weight() -> None:
    attached = AttachedLoss("bright", Mean(), {"image": "rec_A"}, 3.0, "only")
    engine = engine_of(Toy(lambda image: image.square().mean()), losses=[attached])
    step = batch_step()
    losses, _ = engine.step([step])
    torch.manual_seed(1)
    reconstructed = nn.Conv2d(3, 3, 1)(step["real_A"])
    torch.testing.assert_close(losses["only/bright"], 3 * reconstructed.mean().detach())
    plain = engine_of(Toy(lambda image: image.square().mean()))
    plain.step([batch_step()])
    assert changed(weights(plain), weights(engine)) == {"G"}


def test_an_attached_loss_reads_masks_that_are_computed_on_demand() -> None:
    class Masked(Loss):
        def forward(self, image: Tensor, mask: Tensor) -> Tensor:
            return (image * mask).mean()

    method = Toy(lambda image: image.square().mean())
    attached = AttachedLoss("masked", Masked(), {"image": "rec_A", "mask": "labels_mask_real_A"}, 1.0, "only")
    engine, step = engine_of(method, losses=[attached]), batch_step()
    method.masks = Roles({"labels": Constant(0.25)})
    losses, _ = engine.step([step])
    torch.manual_seed(1)
    reconstructed = nn.Conv2d(3, 3, 1)(step["real_A"])
    torch.testing.assert_close(losses["only/masked"], 0.25 * reconstructed.mean().detach())


def test_an_attached_loss_cannot_have_the_name_of_a_term() -> None:
    engine = engine_of(
        Toy(lambda image: image.mean()), losses=[AttachedLoss("loss", Mean(), {"image": "rec_A"}, 1, "only")]
    )
    with pytest.raises(GanzooError, match=r"losses\.loss: the method has a term of this name"):
        engine.step([batch_step()])


def test_an_attached_loss_runs_in_float32_at_any_precision() -> None:
    calls = []

    class Spy(Loss):
        def forward(self, image: Tensor) -> Tensor:
            calls.append((image.dtype, torch.is_autocast_enabled("cpu")))
            return image.mean()

    attached = AttachedLoss("look", Spy(), {"image": "rec_A"}, 1.0, "only")
    engine_of(Toy(lambda image: image.float().mean()), losses=[attached], precision="bf16").step([batch_step()])
    assert calls == [(torch.float32, False)]


def test_a_loss_may_read_the_step_and_run_at_the_networks_precision() -> None:
    seen = []

    class Whole(Loss):
        full_precision = False

        def forward(self, image: Tensor, step: Step) -> Tensor:
            seen.append((step.phase, step["rec_A"] is not None, torch.is_autocast_enabled("cpu")))
            return image.mean() + step.rng("shift").uniform(1).mean()

    assert list(Whole.inputs()) == ["image"]
    attached = AttachedLoss("look", Whole(), {"image": "rec_A"}, 1.0, "only")
    engine = engine_of(Toy(lambda image: image.float().mean()), losses=[attached], precision="bf16")
    step = batch_step(seed=2)
    losses, _ = engine.step([step])
    assert seen == [("only", True, True)]
    assert float(losses["only/look"]) != float(losses["only/loss"])


def test_the_error_of_a_loss_names_its_place_in_the_recipe() -> None:
    class Strict(Loss):
        def forward(self, image: Tensor) -> Tensor:
            raise GanzooError("strict: too small")

    attached = AttachedLoss("look", Strict(), {"image": "rec_A"}, 1.0, "only")
    engine = engine_of(Toy(lambda image: image.mean()), losses=[attached])
    with pytest.raises(GanzooError, match=r"^losses\.look: strict: too small$"):
        engine.step([batch_step()])
