"""The segmenter's loss by its formulas, refusals, and runs: training, resuming, translating, sample grids."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from PIL import Image
from torch import Tensor, nn

import ganzoo as package
from ganzoo import GanzooError
from ganzoo.check.parts_table import check
from ganzoo.engine.engine import Engine
from ganzoo.evaluation.sample_grid import columns
from ganzoo.interfaces import Masker, Output
from ganzoo.masks.roles import Roles
from ganzoo.randomness import Draws
from ganzoo.step import Step
from ganzoo_maskers.unet import UNet
from ganzoo_segmenter.method import Segmenter
from tests.support.command_line import Command
from tests.support.tiny_run import assert_same, lines

Write = Callable[..., Path]


def batch(size: int = 8) -> Step:
    """Return four noisy images, brighter where their soft masks are larger; the last mask is empty."""
    drawn = torch.Generator().manual_seed(0)
    given = torch.rand(4, 1, size, size, generator=drawn)
    given[3] = 0
    noise = torch.rand(4, 3, size, size, generator=drawn)
    return Step({"real_A": given + noise - 1, "given_mask_A": given}, samples=range(4))


def engine_of(method: Segmenter, *, lr: float = 1e-2, masker: nn.Module | None = None) -> Engine:
    torch.manual_seed(0)
    method.bind({"S": masker or UNet(width=2, depth=1)}, Roles())
    return Engine(method, Accelerator(cpu=True), lr=lr)


def plain_losses(logits: Tensor, given: Tensor) -> tuple[float, float]:
    """Return binary cross entropy and soft Dice, pixel by pixel in Python's floats."""
    entropy, dice = 0.0, 0.0
    for z_plane, g_plane in zip(logits[:, 0].tolist(), given[:, 0].tolist(), strict=True):
        both, either = 0.0, 0.0
        for z, g in zip(chain(*z_plane), chain(*g_plane), strict=True):
            p = 1 / (1 + math.exp(-z))
            entropy -= g * math.log(p) + (1 - g) * math.log(1 - p)
            both, either = both + p * g, either + p + g
        dice += 1 - (2 * both + 1) / (either + 1)
    return entropy / given.numel(), dice / len(given)


@pytest.mark.parametrize("weight", [0.0, 0.3])
def test_the_loss_is_its_formula(weight: float) -> None:
    method, step = Segmenter(dice=weight), batch()
    engine_of(method)
    method.forward(step)
    terms = {name: one.detach() for name, one in method.losses(step).items()}
    entropy, dice = plain_losses(step["logits_A"].double(), step["given_mask_A"])
    assert set(terms) == ({"bce", "dice"} if weight else {"bce"})
    assert float(terms["bce"]) == pytest.approx(entropy, rel=1e-5)
    if weight:
        assert float(terms["dice"]) == pytest.approx(weight * dice, rel=1e-5)
    torch.testing.assert_close(step["mask_A"], 1 / (1 + (-step["logits_A"]).exp()))


def test_the_terms_are_of_float32_under_autocast() -> None:
    method, step = Segmenter(dice=1.0), batch()
    engine_of(method)
    with torch.autocast("cpu", torch.bfloat16):
        method.forward(step)
        terms = method.losses(step)
    assert step["logits_A"].dtype == torch.bfloat16
    assert {one.dtype for one in terms.values()} | {step["mask_A"].dtype} == {torch.float32}
    exact = plain_losses(step["logits_A"].double(), step["given_mask_A"])
    assert [float(one.detach()) for one in terms.values()] == pytest.approx(exact, rel=1e-5)


@pytest.mark.parametrize(
    ("optimizer", "kind", "options"),
    [
        ("adagrad", torch.optim.Adagrad, {"lr_decay": 0, "fused": None}),
        ("adam", torch.optim.Adam, {"betas": (0.9, 0.999)}),
        ("sgd", torch.optim.SGD, {"momentum": 0.9, "fused": None}),
    ],
)
def test_a_step_that_is_not_finite_changes_nothing(
    optimizer: Any, kind: type[torch.optim.Optimizer], options: dict[str, Any]
) -> None:
    broken = batch()
    broken["real_A"][0, 0, 0, 0] = math.nan

    def after(*steps: Step) -> list[Tensor]:
        engine = engine_of(Segmenter(optimizer=optimizer, weight_decay=0.1))
        made = engine.optimizers["S"]
        assert type(made).__name__ == kind.__name__
        assert {name: made.defaults[name] for name in options} == options
        assert made.defaults["weight_decay"] == 0.1
        flags = [engine.step([step])[1].tolist() for step in steps]
        assert flags == [[float(step is broken)] for step in steps]
        return [one.clone() for one in engine.networks["S"].parameters()]

    none, two = after(), after(batch(), batch())
    for steps in ([broken, batch(), batch()], [batch(), broken, batch()]):
        assert all(torch.equal(one, other) for one, other in zip(after(*steps), two, strict=True))
    assert not any(torch.equal(one, other) for one, other in zip(none, two, strict=True))


def test_adagrad_is_the_papers_default() -> None:
    optim = Segmenter().optims["S"]
    assert (optim.optimizer, optim.options["weight_decay"]) == (torch.optim.Adagrad, 1e-4)


class Fixed(Masker):
    """Has logits, and nothing to learn."""

    def __init__(self, planes: int = 1) -> None:
        super().__init__()
        self.planes = planes

    def logits(self, image: Tensor) -> Tensor:
        return image[:, :1]

    def forward(self, image: Tensor, rng: Draws, given: Tensor | None = None) -> Tensor:
        return self.logits(image).sigmoid()


def test_a_masker_that_cannot_be_trained_is_refused() -> None:
    with pytest.raises(GanzooError, match=r"networks\.S: this masker has no trainable weights"):
        engine_of(Segmenter(), masker=Fixed())
    with pytest.raises(GanzooError, match=r"networks\.S: this masker has 2 planes"):
        engine_of(Segmenter(), masker=Fixed(planes=2))


def test_invalid_recipes_are_refused(write: Write, discs: Path) -> None:
    with pytest.raises(GanzooError, match=r"'full' cannot serve as S: its class defines no logits\(\)"):
        check(write(networks={"S": {"masker": "full"}}))
    with pytest.raises(GanzooError, match="method 'segmenter' reads the mask of each image, but the data set"):
        check(write(data={"masks": {}}))
    with pytest.raises(GanzooError, match="it measures AB, BA, and the method translates AA"):
        check(write(evaluate={"metrics": ["cycle_l1"], "best": None}))
    with pytest.raises(GanzooError, match="takes no mask in the role 'discriminator'"):
        package.run(write(), "maskers.discriminator=full", root=discs)


def test_check_shows_the_masker_and_how_it_is_called(write: Write, capsys: pytest.CaptureFixture[str]) -> None:
    check(write())
    shown = capsys.readouterr().out
    row = next(line.split() for line in shown.splitlines() if line.split()[:2] == ["S", "unet"])
    count = sum(one.numel() for one in UNet(width=8, depth=1).parameters())
    assert row == ["S", "unet", "called", "by:", "logits", f"{count:,}", "segmenter"]


@pytest.mark.parametrize(
    ("options", "lr"),
    [({"optimizer": "adagrad", "dice": 1.0}, 0.05), ({"optimizer": "adam"}, 0.02), ({"optimizer": "sgd"}, 0.1)],
    ids=["adagrad and dice", "adam", "sgd"],
)
def test_it_overfits_a_few_images(write: Write, tmp_path: Path, options: dict[str, Any], lr: float) -> None:
    file = write(method=options, train={"steps": 80, "lr": lr, "ema": 0, "sample": 0, "save": 80})
    values = package.run(file, root=tmp_path)
    assert values["mask_iou"] > 0.9
    assert values["mask_iou_all_foreground"] < values["mask_iou_mean_mask"] < 0.6
    (untrained,) = [one for one in lines(tmp_path / "tiny/default/metrics.jsonl") if one["step"] == 0]
    assert untrained["values"]["mask_iou"] < 0.6


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("optimizer", ["adagrad", "adam", "sgd"])
def test_a_killed_run_is_resumed_to_the_same_end(
    write: Write, tmp_path: Path, optimizer: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(method={"optimizer": optimizer}, train={"precision": precision})
    package.run(file, root=tmp_path / "whole")
    losses = Segmenter.losses

    def dying(self: Segmenter, step: Step) -> dict[str, Tensor]:
        if step.index == 5:
            raise SystemExit
        return losses(self, step)

    monkeypatch.setattr(Segmenter, "losses", dying)
    with pytest.raises(SystemExit):
        package.run(file, root=tmp_path / "parts")
    monkeypatch.undo()
    package.run(file, root=tmp_path / "parts")
    assert_same(tmp_path / "whole/tiny/default", tmp_path / "parts/tiny/default")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, discs: Path) -> Path:
    """A run that has learnt the discs."""
    home = tmp_path_factory.mktemp("trained")
    words = [f"data.A={discs / 'train'}", f"data.test_A={discs / 'test'}", "networks.S.width=8", "networks.S.depth=1"]
    words += ["images.size=16", "train.epochs=0", "train.steps=80", "train.batch=4", "train.lr=5e-2"]
    words += ["evaluate.every=40"]
    package.run(Path(__file__).parents[2] / "recipes/segmenter.yaml", *words, root=home)
    return home / "segmenter/default"


def test_translating_gives_the_masks(command: Command, trained: Path, discs: Path, tmp_path: Path) -> None:
    done = command("translate", trained, discs / "test", "-o", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert "5 of 5 images translated AA" in done.stdout
    for source in (discs / "test").iterdir():
        with (
            Image.open(tmp_path / "out" / source.name) as made,
            Image.open(discs / "test_masks" / source.name) as given,
        ):
            assert made.mode == "L"
            ours, theirs = np.array(made) > 127, np.array(given) > 127
        assert (ours & theirs).sum() / (ours | theirs).sum() > 0.8
    network = package.load(trained).method.networks["S"]
    image = torch.rand(3, 9, 13) * 2 - 1
    with torch.no_grad():
        mask = network(image[None], Draws([]))
    torch.testing.assert_close(package.load(trained).translate(image), 2 * mask[0] - 1)


def test_a_trained_masker_works_in_a_role(trained: Path, discs: Path) -> None:
    masker = UNet(weights=trained).eval().requires_grad_(False)
    with Image.open(discs / "test/100.png") as source, Image.open(discs / "test_masks/100.png") as given:
        image, mask = (torch.from_numpy(np.array(one)) / 127.5 - 1 for one in (source, given))
    made = masker(image.movedim(-1, 0)[None], Draws([]))[0, 0] >= 0.5
    assert float((made & (mask > 0)).sum() / (made | (mask > 0)).sum()) > 0.8


def test_a_grid_shows_image_data_mask_and_predicted_mask(trained: Path) -> None:
    step = Step({"real_A": torch.zeros(1, 3, 4, 4), "given_mask_A": torch.ones(1, 1, 4, 4)})
    assert columns(step, "A", {"mask_A": Output("A", "")}) == ["real_A"]
    step["mask_A"] = step["logits_A"] = torch.zeros(1, 1, 4, 4)
    assert columns(step, "A", {"mask_A": Output("A", "")}) == ["real_A", "given_mask_A", "mask_A"]
    with Image.open(sorted((trained / "samples").iterdir())[-1]) as grid:
        pixels = np.array(grid)
    assert pixels.shape[1] == 3 * 16 + 2 * 2
    given, made = pixels[:, 18:34], pixels[:, 36:52]
    assert (given == given[..., :1]).all() and (made == made[..., :1]).all()
    assert np.corrcoef(given.ravel(), made.ravel())[0, 1] > 0.8


def test_sharded_over_processes_it_keeps_the_names_of_its_weights() -> None:
    masker = UNet(width=2, depth=1)
    names = list(masker.state_dict())
    spread = nn.SyncBatchNorm.convert_sync_batchnorm(masker)
    assert isinstance(spread, UNet) and isinstance(spread.normalize, nn.SyncBatchNorm)
    assert list(spread.state_dict()) == names
