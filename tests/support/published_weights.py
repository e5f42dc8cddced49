"""Stand-ins for published weights: files in the folder that GANZOO_WEIGHTS names, listed under the real ones' names."""

from __future__ import annotations

import shutil
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from urllib.error import URLError

import pytest

from ganzoo.plugins import plugins


class Published:
    """Puts files where published weights are looked for. Whatever else is looked for finds no connection.

    Nothing may come into the caches of torch and of Hugging Face's client, which lie in ``foreign``.
    """

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.patch = patch
        self.own = folder / "own"
        self.foreign = folder / "foreign"
        self.own.mkdir()
        self.asked: list[str] = []
        """Addresses that were asked for."""
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
        """Let a file be the published one of a name that a plugin lists."""
        listed = plugins().registry.weights
        entry = replace(listed[name], sha256=sha256(file.read_bytes()).hexdigest())
        self.patch.setitem(listed, name, entry)
        shutil.copyfile(file, self.own / entry.file)

    def untouched(self) -> bool:
        """Return whether nothing was written but into ganzoo's own cache, which has no weights either."""
        return not self.foreign.exists() and not list(self.own.parent.glob("cache/weights/[!.]*"))
