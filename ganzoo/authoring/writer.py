"""Write the project of a new plugin: complete, or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from ganzoo.errors import GanzooError
from ganzoo.utils.atomic import sibling_path


def write_project(folder: Path, files: Mapping[PurePosixPath, str]) -> None:
    """Write files into a new folder. They are written beside it, into a hidden folder that then gets its name.

    Args:
        folder: the project's folder, which must not exist; missing folders above it are created.
        files: path in the folder → text.

    Raises GanzooError if the folder exists or cannot be written; then nothing of it is left.
    """
    if os.path.lexists(folder):
        raise GanzooError(f"{folder} exists: choose another name, or another folder with --into")
    new = sibling_path(folder, f"{os.getpid()}.new")
    missing = [one for one in folder.parents if not one.exists()]
    try:
        for path, text in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
        new.rename(folder)
    except BaseException as error:
        shutil.rmtree(new, ignore_errors=True)
        _remove_empty(missing)
        if isinstance(error, OSError):
            raise GanzooError(
                f"{folder} cannot be written: {error.strerror}; name another folder with --into"
            ) from error
        raise


def _remove_empty(folders: list[Path]) -> None:
    """Delete the folders, inner ones first, that this module has created and that are empty."""
    for one in folders:
        try:
            one.rmdir()
        except OSError:
            return
