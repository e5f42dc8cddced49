"""The words that start ganzoo in the user's shell, for the commands that messages print."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from functools import cache
from pathlib import Path

NAME = "ganzoo"


@cache
def program_name() -> str:
    """Return ``ganzoo`` if the shell finds the one that runs now, else a path to it or ``PYTHON -m ganzoo``.

    A path below the working folder is relative: ``.venv/bin/ganzoo``.
    """
    own = shutil.which(NAME, path=str(Path(sys.executable).parent))  # beside the interpreter, also on Windows
    if own is None:
        return f"{_shown(sys.executable)} -m {NAME}"
    found = shutil.which(NAME)
    return NAME if found and os.path.samefile(found, own) else _shown(own)


def _shown(file: str) -> str:
    path, here = Path(file), Path.cwd()
    return shlex.quote(str(path.relative_to(here) if path.is_relative_to(here) else path))
