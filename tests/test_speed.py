"""benchmarks/speed: the textbook step is CycleGAN's, contestants run in turn, and the page shows what was measured."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from benchmarks.speed import evaluation, timing
from benchmarks.speed.contestants import METHODS, RECIPES, contestants, prepare
from benchmarks.speed.page import MACHINE, TABLES, markdown
from benchmarks.speed.textbook.cyclegan import discriminator, generator
from benchmarks.speed.textbook.pix2pix import TextbookPix2Pix
from benchmarks.speed.timing import Times, alternate, newest
from benchmarks.speed.turns import take_turns
from ganzoo_cyclegan.patch import Patch
from ganzoo_cyclegan.resnet import ResNet

ROOT = Path(__file__).parents[1]


def test_the_textbook_networks_are_those_of_the_plugins() -> None:
    draws = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 64, 64, generator=draws) * 2 - 1
    for plain, mine in ((generator(), ResNet(3, 3)), (discriminator(), Patch(3))):
        weights = list(plain.parameters())
        assert sum(one.numel() for one in weights) in (11_378_179, 2_764_737)
        for one, other in zip(weights, mine.parameters(), strict=True):
            one.data.copy_(other.data)
        with torch.no_grad():
            torch.testing.assert_close(plain(image), mine(image), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["contiguous", "channels_last"])
def test_gradients_in_bf16_are_as_close_to_fp32_as_those_of_plain_autocast(layout: torch.memory_format) -> None:
    draws = torch.Generator().manual_seed(0)
    image, weights = (torch.rand(2, 3, 32, 32, generator=draws) * 2 - 1 for _ in range(2))
    torch.manual_seed(0)
    mine = ResNet(3, 3, width=16, blocks=3)
    plain = generator(16, 3)
    for one, other in zip(plain.parameters(), mine.parameters(), strict=True):
        one.data.copy_(other.data)

    def gradient(network: nn.Module, wanted: torch.memory_format, *, bf16: bool) -> Tensor:
        network = deepcopy(network).to(memory_format=wanted)
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            output = network(image.contiguous(memory_format=wanted))
        (output.float() * weights).sum().backward()
        return torch.cat(
            [one.grad.reshape(-1) for one in network.parameters() if one.grad is not None and one.ndim == 4]
        )

    exact = gradient(plain, torch.contiguous_format, bf16=False)
    fp32, bf16 = (gradient(mine, layout, bf16=bf16) for bf16 in (False, True))
    autocast = gradient(plain, torch.contiguous_format, bf16=True)
    same, error, usual = (float((one - exact).norm() / exact.norm()) for one in (fp32, bf16, autocast))
    assert same < 1e-5
    assert 0 < error < 1.1 * usual < 0.3


def test_contestants_run_in_turn_and_ratios_are_of_rounds() -> None:
    order: list[str] = []
    times = alternate({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, 3)
    assert order == ["a", "b"] * 4  # the first round is not measured
    assert len(times["a"].wall) == len(times["b"].process) == 3
    assert Times([2.0, 1.0, 4.0], [0.0] * 3).ratio(Times([4.0, 4.0, 4.0], [0.0] * 3)) == 2.0


def test_rows_are_kept_and_the_newest_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "FOLDER", tmp_path)
    for seconds in (3, 2):
        timing.append("x", [{"size": 64, "seconds": seconds}, {"size": 128, "seconds": 9}])
    rows = newest("x", timing.hardware(), "size")
    assert [(row["size"], row["seconds"]) for row in rows] == [("64", "2"), ("128", "9")]
    assert newest("y", timing.hardware(), "size") == []
    assert markdown(["a", "b_c"], [["x", "1"]], 1) == "| a | b c |\n| --- | ---: |\n| x | 1 |"


def test_every_method_has_a_recipe() -> None:
    assert all((RECIPES / f"{method.recipe}.yaml").is_file() for method in METHODS.values())


@pytest.mark.slow
def test_contestants_have_a_process_each_which_trains(tmp_path: Path) -> None:
    prepare("pix2pix", tmp_path, 64)
    builders = contestants("pix2pix", tmp_path, 64)
    assert list(contestants("pix2pix", tmp_path, 64, compiled=True))[4:] == [
        "ganzoo fp32 compiled",
        "ganzoo bf16 compiled",
    ]
    times, peaks = take_turns({one: builders[one] for one in ("textbook fp32", "ganzoo bf16")}, 2)
    numbers = sum(one.numel() for network in TextbookPix2Pix(64).networks.values() for one in network.parameters())
    trained = 4 * 4 * numbers  # weights, gradients, and Adam's two means, of 4 bytes each
    for contestant in ("textbook fp32", "ganzoo bf16"):
        assert len(times[contestant].wall) == len(times[contestant].process) == 2
        assert min(times[contestant].process) > 0
        assert trained < peaks[contestant] < trained + 1500 * 2**20


def test_evaluation_is_measured_in_both_precisions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "FOLDER", tmp_path)
    monkeypatch.setattr(evaluation, "SIZES", {16: 4})
    evaluation.measure(1)
    rows = newest("evaluation", timing.hardware(), "contestant")
    assert [row["contestant"] for row in rows] == [
        f"{kind} {precision}" for kind in ("bare forward", "ganzoo evaluate") for precision in ("fp32", "bf16")
    ]
    assert all(float(row["images_per_s"]) > 0 for row in rows)
    assert [row["share_of_bare"] for row in rows[:2]] == ["1.0", "1.0"]


def test_small_images_are_refused_for_drit_in_one_line() -> None:
    words = [sys.executable, str(ROOT / "benchmarks/speed"), "steps", "--methods", "drit", "--sizes", "64"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "speed: drit needs larger images: --methods drit --sizes 256, or others from 212 on"
    ]


def test_the_page_shows_what_was_measured() -> None:
    words = [sys.executable, str(ROOT / "benchmarks/speed"), "table", "--check"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tables = {f"{command}-{MACHINE}" for command, *_ in TABLES.values()}
    assert {file.stem for file in (ROOT / "benchmarks/speed").glob("*.csv")} <= tables
