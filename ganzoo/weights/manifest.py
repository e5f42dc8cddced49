"""Describe a file of pretrained weights, and read the TOML files in which plugins list them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError, suggest

SHORTEST_CHECKSUM = 8
"""The smallest number of hex digits that a listed checksum may have; torchvision's file names have as many."""


@dataclass(frozen=True)
class WeightsFile:
    """A listed file of pretrained weights. A field that is not known is empty, or 0.

    Args:
        name: the name in recipes and on the command line, such as ``torchvision/alexnet``.
        address: the URL, http or https.
        file: the file's name in a folder of weights; by default the last part of the address.
        sha256: the checksum in hex, or the first eight or more digits of it.
        size: the size in bytes.
        licence: the licence's SPDX identifier.

    Raises GanzooError if a field has a wrong type or form.

    >>> WeightsFile("torchvision/alexnet", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth").file
    'alexnet-owt-7be5be79.pth'
    """

    name: str
    address: str
    file: str = ""
    sha256: str = ""
    size: int = 0
    licence: str = ""

    def __post_init__(self) -> None:
        if not self.file:
            object.__setattr__(self, "file", self.address.rpartition("/")[2])
        for field in fields(self):
            if type(getattr(self, field.name)) is not (int if field.name == "size" else str):
                raise GanzooError(f"weights {self.name!r}: {field.name} is {getattr(self, field.name)!r}")
        rules = {"name": r"[\w.+-]+(/[\w.+-]+)*", "address": r"https?://\S+", "file": r"\w[\w.+-]*"}
        rules["sha256"] = rf"([0-9a-f]{{{SHORTEST_CHECKSUM},64}})?"
        for name, rule in rules.items():
            if not re.fullmatch(rule, getattr(self, name)):
                raise GanzooError(f"weights {self.name!r}: {name} is {getattr(self, name)!r}")

    @property
    def checksum_is_complete(self) -> bool:
        """Whether all 64 digits of the checksum are known."""
        return len(self.sha256) == 64


def read_manifest(file: Path) -> list[WeightsFile]:
    """Read a plugin's list of files of weights, a TOML file, and return its entries.

    For each file of weights it has a table with this file's name. The table's keys are the other fields of
    ``WeightsFile``; only ``address`` is required. Raises GanzooError if the list cannot be read or is invalid.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GanzooError(f"{file}: cannot be read: {error}") from None
    known = [field.name for field in fields(WeightsFile) if field.name != "name"]
    entries = []
    for name, table in tables.items():
        unknown = [key for key in table if key not in known] if isinstance(table, dict) else [name]
        if unknown:
            raise GanzooError(f"{file}: {name}: unknown key {unknown[0]!r}{suggest(unknown[0], known)}")
        try:
            entries.append(WeightsFile(name, **{"address": "", **table}))
        except GanzooError as error:
            raise GanzooError(f"{file}: {error}") from None
    return entries
