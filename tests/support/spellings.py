"""Give a folder a second spelling that only the file system knows, as one that ignores case does."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def spell_otherwise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return another path of a folder, its name in capitals, whose real path differs, as macOS leaves case as it is."""
    other = folder.with_name(folder.name.upper())
    if not other.exists():  # here case counts
        other.symlink_to(folder, target_is_directory=True)
    monkeypatch.setattr(os.path, "realpath", os.path.abspath)
    return other
