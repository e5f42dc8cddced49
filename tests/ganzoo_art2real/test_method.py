"""Art2Real: exactly CycleGAN without its term; the source of classes, also in a resumed run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from safetensors.torch import load_file
from torch import Tensor, nn

import ganzoo
from ganzoo import GanzooError, create
from ganzoo.check.parts_table import check
from ganzoo.data.loader import Reader
from ganzoo.engine.attached_loss import AttachedLoss
from ganzoo.engine.engine import Engine
from ganzoo.interfaces import Masker
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.settings import ImageSettings
from ganzoo.utils.formatting import format_bytes
from ganzoo_art2real.bank import Bank
from ganzoo_art2real.bank_builder import build_bank
from ganzoo_art2real.loss import Contextual
from ganzoo_art2real.method import Art2Real
from ganzoo_cyclegan.method import CycleGAN
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet
from tests.support.killed_runs import assert_kills_change_nothing
from tests.support.photographs import SMALL
from tests.support.stand_in_methods import Constant, Noise, batch_step, gradients
from tests.support.tiny_run import assert_same, write_recipe
from tests.support.two_processes import assert_two_processes_train_as_one

LABELS = {"masker": "colours", "blur": 0.0, "classes": {"dark": [90, 90, 90], "light": [150, 150, 150]}}
QUIET = ["evaluate.metrics=[]", "evaluate.every=0", "evaluate.best=null", "train.log=1", "train.sample=0"]
SIDES = {"size": 16, "load": 24}
"""Images as large as the photographs of the bank, before the crop."""


class Bright(Masker):
    """One class: where the image is bright."""

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return (image.mean(1, keepdim=True) > 0).float()


def engine_of(method: Any, losses: Sequence[AttachedLoss] = (), **maskers: Masker) -> Engine:
    torch.manual_seed(3)
    networks: dict[str, nn.Module] = {name: ResNet(3, 3, width=2, blocks=1) for name in ("G_AB", "G_BA")}
    networks |= {name: Patch(3, width=2, layers=1) for name in ("D_A", "D_B")}
    method.bind(networks, Roles(maskers))
    method.prepare(Reader(Noise(), ImageSettings(size=16, load=24)))
    return Engine(method, Accelerator(cpu=True), losses=losses, lr=1e-3)


def three_steps(engine: Engine) -> list[dict[str, Tensor]]:
    return [engine.step([batch_step(size=16, seed=i, index=i)])[0] for i in range(3)]


@pytest.mark.parametrize("options", [{}, {"gan": "hinge", "cycle": 7.0, "identity": 0.3}])
def test_without_its_term_it_is_cyclegan_exactly(bank: Bank, options: dict[str, Any]) -> None:
    one = engine_of(Art2Real(bank=bank.folder, contextual=0, pool=1, **options))
    other = engine_of(CycleGAN(**{"identity": 0.0, **options}, pool=1))
    mine, theirs = gradients(one), gradients(other)
    for ours, plain in zip(three_steps(one) + mine, three_steps(other) + theirs, strict=True):
        assert ours.keys() == plain.keys()
        assert all(torch.equal(ours[name], plain[name]) for name in plain)
    assert len(mine) == 6
    for name in one.networks:
        for a, b in zip(one.networks[name].parameters(), other.networks[name].parameters(), strict=True):
            assert torch.equal(a, b)


def test_with_classes_from_the_paintings_it_is_cyclegan_and_the_loss(bank: Bank) -> None:
    """The loss attaches to any method: to CycleGAN it makes Art2Real as it was released."""
    of = {"image": "fake_B", "labels": "labels_mask_real_A"}
    attached = AttachedLoss("contextual", Contextual(bank=bank.folder), of, 0.3, "generator")
    one = engine_of(Art2Real(bank=bank.folder, contextual=0.3, refresh=None), labels=Bright())
    other = engine_of(CycleGAN(identity=0), losses=[attached], labels=Bright())
    ours, plain = gradients(one), gradients(other)
    for mine, theirs in zip(three_steps(one) + ours, three_steps(other) + plain, strict=True):
        assert mine.keys() == theirs.keys()
        assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    assert len(ours) == 6


def test_the_term_is_the_loss_of_the_generated_photograph(bank: Bank) -> None:
    options: dict[str, Any] = {"scales": "all", "neighbours": 2, "search": "exact"}
    method = Art2Real(bank=bank.folder, contextual=0.3, **options)
    engine_of(method, labels=Bright())
    step = batch_step(size=16)
    method.forward(step)
    classes = (step["real_A"].mean(1, keepdim=True) > 0).float()
    expected = 0.3 * Contextual(bank=bank.folder, scales="all", neighbours=2)(step["fake_B"], classes)
    torch.testing.assert_close(method.generator_losses(step)["contextual"], expected)
    assert method.loss is not None and method.loss.search == "exact"


def test_only_the_generator_of_photographs_gets_a_gradient(bank: Bank) -> None:
    method = Art2Real(bank=bank.folder)
    engine_of(method)
    step = batch_step(size=16)
    method.forward(step)
    method.generator_losses(step)["contextual"].backward()
    assert any(p.grad is not None and p.grad.any() for p in method.networks["G_AB"].parameters())
    assert all(p.grad is None for p in method.networks["G_BA"].parameters())


def test_classes_come_from_the_painting_first_and_then_from_a_snapshot(bank: Bank) -> None:
    method = Art2Real(bank=bank.folder, refresh={"after": 2, "every": 3})
    engine = engine_of(method, labels=Bright())

    def classes(epoch: int) -> Tensor:
        found = method.labels(batch_step(size=16, epoch=epoch))
        assert found is not None
        return found

    painting = (batch_step(size=16)["real_A"].mean(1, keepdim=True) > 0).float()
    assert torch.equal(classes(0), painting) and torch.equal(classes(1), painting)
    assert method.snapshot is None
    with torch.no_grad():
        generated = (engine.networks["G_AB"](batch_step(size=16)["real_A"]).mean(1, keepdim=True) > 0).float()
    assert torch.equal(classes(2), generated) and not torch.equal(generated, painting)
    three_steps(engine)
    with torch.no_grad():
        for parameter in engine.networks["G_AB"].parameters():
            parameter.mul_(-3)
    assert torch.equal(classes(4), generated)  # the copy has not moved with the generator
    assert not torch.equal(classes(5), generated)
    assert method.taken == 5


def test_classes_of_generated_images_are_those_of_the_composite(bank: Bank) -> None:
    """With a composite the translation is put into the painting first."""
    method = Art2Real(bank=bank.folder, refresh={"after": 0, "every": 1})
    engine_of(method, labels=Bright(), composite=Constant(0.0))
    step = batch_step(size=16, epoch=1)
    classes = method.labels(step)
    assert classes is not None and torch.equal(classes, (step["real_A"].mean(1, keepdim=True) > 0).float())


def test_always_from_the_paintings_as_released(bank: Bank) -> None:
    method = Art2Real(bank=bank.folder, refresh=None)
    engine_of(method, labels=Bright())
    method.labels(batch_step(size=16, epoch=1000))
    assert method.snapshot is None


def test_a_run_that_was_stopped_between_snapshots_is_resumed_to_the_same_end(bank: Bank, tmp_path: Path) -> None:
    """Stopped after the copy was taken and before it is renewed: it has to come out of the checkpoint."""
    method = {"method": "art2real", "bank": str(bank.folder), "refresh": {"after": 1, "every": 9}, "pool": 1}
    recipe = write_recipe(tmp_path, method=method, maskers={"labels": LABELS}, images=SIDES, train={"batch": 4})
    ganzoo.run(recipe, *QUIET, "train.steps=8", "train.decay=0", root=tmp_path / "whole")
    ganzoo.run(recipe, *QUIET, "train.steps=5", "train.decay=0", root=tmp_path / "halved")
    ganzoo.run(recipe, *QUIET, "train.steps=8", "train.decay=0", root=tmp_path / "halved")
    whole, halved = (tmp_path / name / "tiny/default" for name in ("whole", "halved"))
    for grids in (whole / "samples", halved / "samples"):
        for grid in grids.iterdir():
            grid.unlink()
    assert_same(whole, halved)


@pytest.mark.slow
def test_kill_9_across_snapshots_changes_nothing(bank: Bank, tmp_path: Path) -> None:
    """Classes come from copies of the generator taken at the epochs 2, 5, …, of five steps each."""
    refresh = {"after": 2, "every": 3}
    method = {"method": "art2real", "bank": str(bank.folder), "refresh": refresh, "pool": 2, "contextual": 1.0}
    train = {"steps": 90, "save": 3, "log": 2, "sample": 30}
    recipe = write_recipe(
        tmp_path, method=method, maskers={"labels": LABELS}, images=SIDES, train=train, evaluate={"every": 40}
    )
    assert_kills_change_nothing(recipe, tmp_path, after=(14, 36, 60), end=90)
    kept = load_file(tmp_path / "killed/tiny/default/checkpoints/last/process-0.safetensors")
    assert int(kept["method/taken"]) == 2 + (89 // 5 - 2) // 3 * 3


@pytest.mark.parametrize("by_loss", [False, True])
def test_a_run_is_not_resumed_with_another_bank(
    bank: Bank, photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], by_loss: bool
) -> None:
    losses = {"real": {"loss": "contextual", "bank": str(bank.folder), "of": "fake_B"}} if by_loss else {}
    method = {"pool": 1} if by_loss else {"method": "art2real", "bank": str(bank.folder), "pool": 1}
    recipe = write_recipe(tmp_path, method=method, losses=losses, images=SIDES)
    ganzoo.run(recipe, *QUIET, "train.steps=1", root=tmp_path)
    build_bank([photographs], bank.folder, SMALL, limit=4, fresh=True)
    named = "losses.real.bank" if by_loss else "method.bank"
    with pytest.raises(GanzooError, match=rf"started with other settings.*: sources\.{named}: {bank.key} → "):
        ganzoo.run(recipe, *QUIET, "train.steps=2", root=tmp_path)
    check(recipe, [*QUIET, "train.steps=2"])
    held = format_bytes(sum(file.stat().st_size for file in bank.folder.iterdir()))
    assert f"  {named}: {held} on disk, {bank.folder}" in capsys.readouterr().out


def test_an_invalid_refresh_is_refused(bank: Bank) -> None:
    with pytest.raises(GanzooError, match=r"refresh is \{after: 40, every: 20\}"):
        create("method", "art2real", bank=bank.folder, refresh={"after": 3})


@pytest.mark.slow
def test_two_processes_train_as_one(bank: Bank, tmp_path: Path) -> None:
    """In float64 and with classes renewed; what is searched is float32 all the same."""
    method = {"method": "art2real", "bank": str(bank.folder), "refresh": {"after": 1, "every": 1}, "pool": 1}
    train = {"steps": 6, "batch": 2, "ema": 0}
    recipe = write_recipe(tmp_path, method=method, maskers={"labels": LABELS}, images=SIDES, train=train)
    assert_two_processes_train_as_one(recipe, tmp_path, *QUIET)


def test_a_run_translates_without_its_bank(bank: Bank, tmp_path: Path) -> None:
    method = {"method": "art2real", "bank": str(bank.folder), "pool": 1}
    recipe = write_recipe(tmp_path, method=method, images=SIDES)
    ganzoo.run(recipe, *QUIET, "train.steps=1", root=tmp_path)
    shutil.rmtree(bank.folder)
    made = ganzoo.load(tmp_path / "tiny/default").translate(torch.zeros(3, 20, 20))
    assert made.shape == (3, 20, 20)
    with pytest.raises(GanzooError, match=r"method: .*bank: no bank found; build one: .*ganzoo bank build"):
        check(recipe, QUIET)


def test_a_bank_of_another_scale_is_refused(bank: Bank, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, method={"method": "art2real", "bank": str(bank.folder)}, images=SIDES)
    with pytest.raises(
        GanzooError, match=r"photographs have 24×24 pixels, but the images have 30×30, .* --fresh --size 30"
    ):
        check(recipe, [*QUIET, "images.load=30"])
