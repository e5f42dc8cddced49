"""Where ganzoo keeps what it can make or fetch again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder: ``GANZOO_CACHE``, or ``ganzoo`` in ``XDG_CACHE_HOME``, or ``~/.cache/ganzoo``."""
    own = os.environ.get("GANZOO_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ganzoo"
