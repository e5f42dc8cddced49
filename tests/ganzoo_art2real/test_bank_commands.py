"""``ganzoo bank build`` and ``show``: what they print and draw, and mistakes as one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ganzoo_art2real.bank import Bank
from ganzoo_art2real.summary import COLUMNS, GAP, SIDE, draw_patches, draw_row
from tests.support.command_line import Run

SMALL = ("--size", "24", "--scales", "[[4,4],[6,5]]")


def test_a_bank_is_built_and_shown(run: Run, tmp_path: Path, photographs: Path, labels: Path) -> None:
    words = ("bank", "build", photographs, "-o", tmp_path / "made", *SMALL, "--labels", labels)
    code, out, err = run(*words)
    assert (code, err) == (0, "")
    bank = Bank.open(tmp_path / "made")
    lines = out.splitlines()
    assert lines[0].endswith(f"made: 5 photographs of 24×24, key {bank.key[:12]}")
    assert lines[1].endswith("on the disk; a window belongs to a class with 20% of its pixels")
    assert lines[2].split() == ["class", "4×4,", "every", "4", "6×6,", "every", "5"]
    assert [line.split()[0] for line in lines[3:]] == ["0", "1", "3", "7"]
    assert lines[3].split()[1:] == ["background", str(bank.count(0, (4, 4))), str(bank.count(0, (6, 5)))]
    assert run(*words)[1] == f"{tmp_path}/made: this bank exists already (key {bank.key[:12]}); nothing to do\n{out}"
    image = tmp_path / "shown.png"
    assert run("bank", "show", tmp_path / "made", "-o", image)[1].startswith(out)
    with Image.open(image) as opened:
        assert np.array_equal(np.asarray(opened), draw_patches(bank))
    assert run("bank", "show", tmp_path / "made")[1] == out


def test_the_reported_size_is_the_size_on_disk(run: Run, bank: Bank) -> None:
    (bank.folder / "index-4-4-0-x.faiss").write_bytes(bytes(3_000_000))
    total = sum(file.stat().st_size for file in bank.folder.iterdir())
    message = run("bank", "show", bank.folder)[1].splitlines()[1]
    assert message.startswith(f"{total / 2**20:.3g} MiB on the disk, 2.86 MiB of it indexes for approximate search; ")


def test_each_class_and_scale_has_a_row_of_its_patches(bank: Bank) -> None:
    drawn = draw_patches(bank)
    assert drawn.shape == (4 * 2 * (SIDE + GAP), COLUMNS * (SIDE + GAP), 3)
    numbers = bank.numbers(1, (6, 5))
    first, last = (bank.patches((6, 5), numbers[[i]]).view(3, 6, 6) for i in (0, -1))
    row = drawn[3 * (SIDE + GAP) :][:SIDE]
    for place, patch in ((0, first), (COLUMNS - 1, last)):
        cell = row[:, place * (SIDE + GAP) :][:, :SIDE]
        wanted = ((patch + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
        assert np.array_equal(cell[4::8, 4::8], wanted)
    assert (drawn[SIDE :: SIDE + GAP] == 255).all()


def test_few_patches_are_each_drawn_once_and_none_leave_white(bank: Bank) -> None:
    few = bank.count(7, (4, 4))
    row = draw_row(bank, 7, bank.scales[0])
    assert 0 < few < COLUMNS
    assert (row[:, few * (SIDE + GAP) :] == 255).all()
    assert (row[:, (few - 1) * (SIDE + GAP) :][:, :SIDE] != 255).any()
    assert (draw_row(bank, 7, bank.scales[1]) == 255).all()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("build", "nowhere", "-o", "x"), "nowhere: no such photograph or folder; check the path"),
        (
            ("build", "nowhere", "-o", "x", "--masker", "unett"),
            "--masker: masker: unknown masker 'unett' (did you mean 'unet'?)",
        ),
        (
            ("build", "n", "-o", "x", "--masker", "full", "--labels", "y"),
            "--masker and --labels both define the classes; ",
        ),
        (
            ("build", "n", "-o", "x", "--scales", "4"),
            "--scales: '4' is not a list of [patch, stride] in pixels",
        ),
        (("build", "n", "-o", "x", "--size", "8"), "--scales: windows of 16 pixels, 6 apart, do not fit images of"),
        (("build", "n", "-o", "x", "--share", "0"), "--share is 0.0; it is a share of a window's pixels, above 0"),
        (("show", "nowhere"), "nowhere: no bank found; build one: "),
    ],
)
def test_a_mistake_is_one_line(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run("bank", *words)
    assert (code, out) == (5 if "no such photograph" in message or "no bank found" in message else 2, "")
    assert err.startswith(f"ganzoo: {message}")
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_stale_bank_is_refused_in_one_line_unless_fresh(run: Run, tmp_path: Path, photographs: Path) -> None:
    words = ("bank", "build", photographs, "-o", tmp_path / "made", *SMALL)
    assert run(*words)[0] == 0
    assert run(*words, "--limit", 2) == (
        2,
        "",
        f"ganzoo: {tmp_path}/made: a stale bank: of 2 photographs 0 are new or changed, 3 of the bank's are missing; "
        "--fresh replaces it\n",
    )
    assert run(*words, "--limit", 2, "--fresh")[1].splitlines()[0].split(": ")[1].startswith("2 photographs of 24×24")
