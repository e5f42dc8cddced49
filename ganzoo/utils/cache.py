"""Locate the folder for files that ganzoo can compute or download again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return ``GANZOO_CACHE`` if it is set, else the user's cache folder of the system.

    On Linux that is ``XDG_CACHE_HOME/ganzoo``, or ``~/.cache/ganzoo``.
    """
    own = os.environ.get("GANZOO_CACHE")
    if own:
        return Path(own)
    from platformdirs import user_cache_path

    return user_cache_path("ganzoo", appauthor=False)
