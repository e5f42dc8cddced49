"""What a user chose, as options and as a command."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from ganzoo.studio.request import TranslationRequest
from tests.support.command_line import refusal

RUN = Path("runs/horses/default")


def test_the_plainest_command_has_no_options() -> None:
    request = TranslationRequest(RUN, [Path("/tmp/x/a b.png")])
    assert request.command() == "ganzoo translate runs/horses/default 'a b.png' -o translated"
    assert request.options() == {
        "direction": None, "size": "trained", "scale_back": False, "tile": "auto", "form": "", "masks": (),
        "maskers": (), "style": (), "samples": 1, "interpolate": 0, "seed": None,
    }  # fmt: skip


def test_the_command_has_each_choice() -> None:
    request = TranslationRequest(
        RUN, [Path("a.png")], "last", "BA", "64", True, "128", "webp", [Path("/tmp/m.png")], ["{masker: round}"],
        ["-1,2", "/tmp/uploads/s.png", "random"], 3, 0, 0,
    )  # fmt: skip
    assert shlex.split(request.command())[4:] == [
        *("-o", "translated", "--checkpoint", "last", "--direction", "BA", "--size", "64", "--tile", "128"),
        *("--format", "webp", "--mask", "m.png", "--masker", "{masker: round}", "--style=-1,2"),
        *("--style", "s.png", "--style", "random", "--samples", "3", "--seed", "0", "--scale-back"),
    ]
    options = request.options()
    assert (options["size"], options["tile"], options["seed"]) == (64, 128, 0)


@pytest.mark.parametrize(
    ("size", "tile", "problem"),
    [
        ("big", "auto", "size: 'big' is not a number of pixels, trained or original"),
        ("0", "auto", "size: '0' is not a number of pixels, trained or original"),
        ("trained", "-3", "tiles: '-3' is not a number of pixels, auto or none"),
    ],
)
def test_a_wrong_size_is_named(size: str, tile: str, problem: str) -> None:
    assert refusal(TranslationRequest(RUN, [], size=size, tile=tile).options) == problem


def test_the_command_translates_as_the_studio_does() -> None:
    request = TranslationRequest(RUN, [Path("-o.png")], precision="bf16", device="cpu")
    words = ["ganzoo", "translate", str(RUN), "./-o.png", "-o", "translated", "--precision", "bf16", "--device", "cpu"]
    assert shlex.split(request.command()) == words
