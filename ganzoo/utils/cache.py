"""Locate the folder for files that ganzoo can compute or download again."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return the folder that the environment variable GANZOO_CACHE names, or else the user's cache folder for ganzoo.

    On Linux the latter is ``XDG_CACHE_HOME/ganzoo``, or ``~/.cache/ganzoo``. The folder may not exist yet.
    """
    own = os.environ.get("GANZOO_CACHE")
    if own:
        return Path(own)
    from platformdirs import user_cache_path

    return user_cache_path("ganzoo", appauthor=False)
