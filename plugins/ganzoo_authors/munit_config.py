"""Read what MUNIT's and UNIT's files do not show: the configuration that their code copies beside the checkpoints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ganzoo import GanzooError

SLOPES = {"relu": 0.0, "lrelu": 0.2}
"""``activ`` → slope of the ReLU below 0."""
PADDINGS = ("reflect", "replicate", "zero")


@dataclass(frozen=True)
class MunitConfig:
    """Settings of MUNIT's and UNIT's configuration that leave no trace in the weights.

    Args:
        file: the configuration; None if there is none, and options or the released values hold.
        padding: ``pad_type`` of generators.
        discriminator_padding: ``pad_type`` of discriminators.
        activation: ``activ`` of the generators.
    """

    file: Path | None
    padding: str
    discriminator_padding: str
    activation: str

    def options(self, kind: str) -> dict[str, Any]:
        """Return the options of a generator or discriminator."""
        if kind == "generator":
            return {"padding": self.padding, "slope": SLOPES[self.activation]}
        return {"padding": self.discriminator_padding}


def read_config(files: Sequence[Path], padding: str | None, activation: str | None) -> MunitConfig:
    """Return the configuration of files: given options count first, then ``config.yaml``, then the released values.

    Args:
        files: checkpoints; ``config.yaml`` is beside them, or beside their folder ``checkpoints``.
        padding: ``pad_type``, if the user gave it.
        activation: ``activ``, if the user gave it.

    Raises GanzooError for a setting that ganzoo's networks lack.
    """
    file = next((found for one in files for found in _places(one) if found.is_file()), None)
    generator, discriminator = _sections(file) if file else ({}, {})
    found = MunitConfig(
        file if generator else None,
        padding or generator.get("pad_type", "reflect"),
        padding or discriminator.get("pad_type", "reflect"),
        activation or generator.get("activ", "relu"),
    )
    settings = {
        "gen.pad_type": (found.padding, PADDINGS),
        "dis.pad_type": (found.discriminator_padding, PADDINGS),
        "gen.activ": (found.activation, tuple(SLOPES)),
        "dis.norm": (discriminator.get("norm", "none"), ("none", "sn")),
        "dis.activ": (discriminator.get("activ", "lrelu"), ("lrelu",)),
    }
    for name, (value, known) in settings.items():
        if value not in known:
            raise GanzooError(f"{file}: {name} is {value!r}, and ganzoo's networks have: {', '.join(known)}")
    return found


def _places(file: Path) -> list[Path]:
    return [file.parent / "config.yaml", file.absolute().parent.parent / "config.yaml"]


def _sections(file: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return ``gen`` and ``dis`` of a configuration; empty if the file is none of MUNIT's."""
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, ValueError):
        return {}, {}
    parts = [content.get(name) if isinstance(content, dict) else None for name in ("gen", "dis")]
    generator, discriminator = (part if isinstance(part, dict) else {} for part in parts)
    return generator, discriminator
