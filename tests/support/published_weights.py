"""Replace published weights by small files in GANZOO_WEIGHTS, listed under the published names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError

import pytest

from ganzoo.plugins import plugins


class Published:
    """Puts files where published weights are searched. Every download fails: there is no connection.

    Nothing may be written to the caches of torch and of Hugging Face's client, which are in ``foreign``.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.own = folder / "own"
        self.foreign = folder / "foreign"
        self.own.mkdir()
        self.asked: list[str] = []
        """Requested addresses."""
        patch.setenv("GANZOO_CACHE", str(folder / "cache"))
        patch.setenv("GANZOO_WEIGHTS", str(self.own))
        for name in ("TORCH_HOME", "HF_HOME", "XDG_CACHE_HOME"):
            patch.setenv(name, str(self.foreign / name))
        patch.setattr("ganzoo.weights.download.urlopen", self._unreachable)
        patch.setattr("ganzoo.weights.download.PAUSE", 0)

    def _unreachable(self, request: object, timeout: float) -> None:
        self.asked.append(request.full_url)  # type: ignore[attr-defined]
        raise URLError("no route")

    def put(self, file: Path, name: str) -> None:
        """Use a file as the published weights of a listed name."""
        listed = plugins().registry.weights
        entry = replace(listed[name], sha256=sha256(file.read_bytes()).hexdigest(), size=file.stat().st_size)
        self.patch.setitem(listed, name, entry)
        shutil.copyfile(file, self.own / entry.file)

    def untouched(self) -> bool:
        """Return whether nothing was written outside of ganzoo's cache, and no weights into it."""
        return not self.foreign.exists() and not list(self.own.parent.glob("cache/weights/[!.]*"))
