"""A small bank."""

from __future__ import annotations

from pathlib import Path

import pytest

from ganzoo_art2real.bank import Bank
from ganzoo_art2real.bank_builder import build_bank
from tests.support.photographs import SMALL, write_labels, write_photographs


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    return write_photographs(tmp_path / "photographs")


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    return write_labels(tmp_path / "labels")


@pytest.fixture
def bank(tmp_path: Path, photographs: Path, labels: Path) -> Bank:
    """Return a bank of five photographs with label maps, at two scales."""
    return build_bank([photographs], tmp_path / "bank", SMALL, labels=labels)
