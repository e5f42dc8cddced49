"""Take the permission to write away from a folder, for tests; those may run as root, who may write everywhere."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def refuse_writing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``os.access`` say that a folder cannot be written."""
    allowed = os.access

    def access(path: str | os.PathLike[str], mode: int) -> bool:
        return not (mode & os.W_OK and Path(path) == folder) and allowed(path, mode)

    monkeypatch.setattr(os, "access", access)
