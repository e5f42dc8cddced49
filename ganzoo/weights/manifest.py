"""What is known of a file of weights before it is here, and the TOML files in which plugins list them."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ganzoo.errors import GanzooError, suggest

PUBLISHED = 8
"""Hex digits of a checksum that are the least to be listed: so many stand in torchvision's file names."""


@dataclass(frozen=True)
class WeightsFile:
    """A file of pretrained weights. What is not known is left empty.

    Args:
        name: what recipes' parts and the command line call it: ``torchvision/alexnet``.
        address: where it is fetched from, http or https.
        file: its name in a folder of weights; by default the last part of the address.
        sha256: its checksum in hex, or the digits that it begins with, eight or more.
        size: bytes.
        licence: SPDX.

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
        for one in fields(self):
            if type(getattr(self, one.name)) is not (int if one.name == "size" else str):
                raise GanzooError(f"weights {self.name!r}: {one.name} is {getattr(self, one.name)!r}")
        rules = {"name": r"[\w.+-]+(/[\w.+-]+)*", "address": r"https?://\S+", "file": r"\w[\w.+-]*"}
        rules["sha256"] = rf"([0-9a-f]{{{PUBLISHED},64}})?"
        for field, rule in rules.items():
            if not re.fullmatch(rule, getattr(self, field)):
                raise GanzooError(f"weights {self.name!r}: {field} is {getattr(self, field)!r}")

    @property
    def whole(self) -> bool:
        """Whether all of the checksum is known."""
        return len(self.sha256) == 64


def read_manifest(file: Path) -> list[WeightsFile]:
    """Read a plugin's list: a TOML file with a table for each file of weights, headed by its name.

    Its keys are the fields of ``WeightsFile``; all but the address may be left out. Raises GanzooError.
    """
    try:
        tables: dict[str, Any] = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise GanzooError(f"{file}: cannot be read: {error}") from None
    known = [one.name for one in fields(WeightsFile) if one.name != "name"]
    found = []
    for name, table in tables.items():
        unknown = [key for key in table if key not in known] if isinstance(table, dict) else [name]
        if unknown:
            raise GanzooError(f"{file}: {name}: unknown key {unknown[0]!r}{suggest(unknown[0], known)}")
        try:
            found.append(WeightsFile(name, **{"address": "", **table}))
        except GanzooError as error:
            raise GanzooError(f"{file}: {error}") from None
    return found
