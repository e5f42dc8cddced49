"""Approximate search: its recall, that it gives the same result each time, and the index in the bank."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ganzoo.errors import GanzooError
from ganzoo_art2real.approximate_search import MIN_PATCHES, ApproximateSearch
from ganzoo_art2real.bank import Bank, Scale
from ganzoo_art2real.bank_builder import Settings, build_bank
from ganzoo_art2real.exact_search import ExactSearch
from tests.support.photographs import write_photographs

SCALES = (Scale(4, 4), Scale(8, 5), Scale(16, 6))
DATA = Path(os.environ.get("GANZOO_DATA", Path(__file__).parents[3] / "shared/data")) / "horse2zebra"


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """Return a bank of 40 photographs of 96 pixels."""
    folder = tmp_path_factory.mktemp("many")
    return build_bank(
        [write_photographs(folder / "photographs", 40)], folder / "bank", Settings(size=96, scales=SCALES)
    )


def near(bank: Bank, scale: Scale, count: int = 200) -> Tensor:
    """Return patches of a bank with noise of 2 % of the range."""
    rng = torch.Generator().manual_seed(0)
    numbers = torch.randint(len(bank.photographs) * bank.windows(scale), (count,), generator=rng)
    patches = bank.patches(scale, numbers)
    return (patches + 0.04 * torch.randn(patches.shape, generator=rng)).clamp(-1, 1)


def recall(found: Tensor, exact: Tensor) -> float:
    """Return the share of the exact neighbours that were found."""
    return float((exact[:, :, None] == found[:, None]).any(2).float().mean())


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_it_finds_near_patches(many: Bank, scale: Scale) -> None:
    queries = near(many, scale)
    found = ApproximateSearch(many, 0, scale).search(queries, 5)
    assert (found.dtype, found.shape) == (torch.int64, (200, 5))
    assert recall(found, ExactSearch(many, 0, scale).search(queries, 5)) >= 0.95


@pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA}: no real photographs here (GANZOO_DATA names their folder)")
def test_recall_among_real_photographs(tmp_path: Path) -> None:
    bank = build_bank([DATA / "trainB"], tmp_path / "bank", Settings(), limit=8)
    asked = build_bank([DATA / "testB"], tmp_path / "asked", Settings(), limit=2)
    for scale in bank.scales:
        queries = near(asked, scale)
        found = ApproximateSearch(bank, 0, scale).search(queries, 5)
        assert recall(found, ExactSearch(bank, 0, scale).search(queries, 5)) >= 0.95, str(scale)


def test_with_all_lists_and_candidates_it_is_exact(many: Bank) -> None:
    queries = near(many, SCALES[2], 20)
    all_of_it = ApproximateSearch(many, 0, SCALES[2], lists=10_000, candidates=many.count(0, SCALES[2]))
    assert torch.equal(all_of_it.search(queries, 5), ExactSearch(many, 0, SCALES[2]).search(queries, 5))


def test_where_the_lists_hold_too_few_the_search_is_exact(many: Bank) -> None:
    queries, wanted = near(many, SCALES[0], 20), 4000
    found = ApproximateSearch(many, 0, SCALES[0], lists=1).search(queries, wanted)
    assert torch.equal(found, ExactSearch(many, 0, SCALES[0]).search(queries, wanted))


def test_the_index_is_built_once_and_is_reproducible(many: Bank) -> None:
    queries = near(many, SCALES[1])
    first = ApproximateSearch(many, 0, SCALES[1])
    content, when = first.file.read_bytes(), first.file.stat().st_mtime_ns
    found = first.search(queries, 5)
    assert torch.equal(ApproximateSearch(many, 0, SCALES[1]).search(queries, 5), found)
    assert first.file.stat().st_mtime_ns == when
    first.file.unlink()
    assert torch.equal(ApproximateSearch(many, 0, SCALES[1]).search(queries, 5), found)
    assert first.file.read_bytes() == content


def test_little_memory_gives_the_same(many: Bank) -> None:
    queries = near(many, SCALES[0])
    found = ApproximateSearch(many, 0, SCALES[0]).search(queries, 5)
    narrow = ApproximateSearch(many, 0, SCALES[0], memory=1)
    narrow.file.unlink()
    assert torch.equal(ApproximateSearch(many, 0, SCALES[0], memory=1).search(queries, 5), found)


def test_an_index_of_other_options_has_another_name(many: Bank) -> None:
    usual, other = ApproximateSearch(many, 0, SCALES[1]), ApproximateSearch(many, 0, SCALES[1], components=20)
    assert usual.file != other.file
    assert usual.file.stat().st_size > other.file.stat().st_size
    assert ApproximateSearch(many, 0, SCALES[1], lists=3).file == usual.file


@pytest.mark.parametrize("left", [b"", b"nonsense"])
def test_a_damaged_index_is_built_again(many: Bank, left: bytes) -> None:
    file, queries = ApproximateSearch(many, 0, SCALES[1]).file, near(many, SCALES[1])
    whole = file.read_bytes()
    found = ApproximateSearch(many, 0, SCALES[1]).search(queries, 5)
    file.write_bytes(left or whole[: len(whole) // 2])
    assert torch.equal(ApproximateSearch(many, 0, SCALES[1]).search(queries, 5), found)
    assert file.read_bytes() == whole
    assert [one for one in many.folder.iterdir() if one.name.startswith(".")] == []


def test_a_replaced_bank_never_sees_the_old_index(many: Bank, tmp_path: Path) -> None:
    photographs = write_photographs(tmp_path / "photographs", 8)
    settings = Settings(size=96, scales=SCALES[:1])
    first = ApproximateSearch(build_bank([photographs], tmp_path / "bank", settings), 0, SCALES[0])
    write_photographs(tmp_path / "photographs", 8, first=4)
    second = ApproximateSearch(build_bank([photographs], tmp_path / "bank", settings, fresh=True), 0, SCALES[0])
    assert first.file.name != second.file.name
    assert [one.name for one in second.bank.folder.glob("*.faiss")] == [second.file.name]


def test_an_index_that_cannot_be_written_is_an_error(many: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ApproximateSearch, "file", Path("/proc/nowhere/index.faiss"))
    with pytest.raises(GanzooError, match=r"index\.faiss: the index for approximate search cannot be written"):
        ApproximateSearch(many, 0, SCALES[0])


def test_no_queries_give_none(many: Bank) -> None:
    assert many.count(0, SCALES[0]) >= MIN_PATCHES
    assert ApproximateSearch(many, 0, SCALES[0]).search(torch.empty(0, 48), 5).shape == (0, 5)
