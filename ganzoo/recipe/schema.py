"""A checked recipe: its components with their options, and its settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.registry import Component
from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings
from ganzoo.utils.jsonl import to_plain


@dataclass(frozen=True)
class Part:
    """A component of a recipe with its checked options.

    Args:
        component: the component.
        options: its own options.
        kind_options: options that every component of its kind takes: ``foreground``, ``threshold``, … of a masker;
            ``of``, ``weight`` and ``phase`` of a loss.
    """

    component: Component
    options: dict[str, Any]
    kind_options: dict[str, Any] = field(default_factory=dict)

    def make(self, *args: Any) -> Any:
        """Construct the component. ``args`` are what ganzoo passes to this kind, such as channel counts."""
        return self.component.load()(*args, **self.options)

    def resolved(self) -> dict[str, Any]:
        """Return the part as plain data, with every option written out."""
        return {self.component.kind: self.component.name, **to_plain(self.options), **to_plain(self.kind_options)}


@dataclass(kw_only=True)
class LossAttachment:
    """How a recipe attaches a loss: the tensors it reads, its weight in the sum, and the phase it counts in."""

    of: dict[str, str] | str
    weight: float = 1.0
    phase: str = ""


@dataclass(frozen=True)
class Recipe:
    """A whole checked recipe. ``resolved()`` is a recipe with the same meaning."""

    file: Path
    method: Part
    networks: dict[str, Part]
    maskers: dict[str, Part]
    losses: dict[str, Part]
    data: Part
    metrics: list[Part]
    images: ImageSettings
    train: TrainSettings
    evaluate: EvaluateSettings
    files: tuple[Path, ...] = ()
    """The file and its bases."""

    @property
    def name(self) -> str:
        """The recipe's name: its file name without the suffix."""
        return self.file.stem

    def resolved(self) -> dict[str, Any]:
        """Return the recipe as plain data, with every option written out."""
        return {
            "method": self.method.resolved(),
            "networks": {slot: part.resolved() for slot, part in self.networks.items()},
            "maskers": {role: part.resolved() for role, part in self.maskers.items()},
            "losses": {name: part.resolved() for name, part in self.losses.items()},
            "data": self.data.resolved(),
            "images": to_plain(asdict(self.images)),
            "train": {
                key: value for key, value in to_plain(asdict(self.train)).items() if key not in _unset(self.train)
            },
            "evaluate": {
                "metrics": [part.resolved() for part in self.metrics],
                **to_plain(asdict(self.evaluate)),
            },
        }


def _unset(train: TrainSettings) -> set[str]:
    """Return the settings to leave out: the length in the other unit, and ``start`` without a value."""
    return {"steps" if train.epochs else "epochs", *(() if train.start else ("start",))}
