"""What a recipe is once it is checked: parts with their options, and settings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.recipe.options import plain
from ganzoo.registry import Component
from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings


@dataclass(frozen=True)
class Part:
    """A component with its checked options, and what the recipe says of its use (``of``, ``weight``, …)."""

    component: Component
    options: dict[str, Any]
    use: dict[str, Any] = field(default_factory=dict)

    def make(self, *args: Any) -> Any:
        """Construct the component; ``args`` are what its kind is supplied with, such as channel counts."""
        return self.component.load()(*args, **self.options)

    def resolved(self) -> dict[str, Any]:
        """Return the part as a recipe would write it in full."""
        return {self.component.kind: self.component.name, **plain(self.options), **plain(self.use)}


@dataclass(kw_only=True)
class LossUse:
    """How a recipe attaches a loss: which tensors it reads, how much it counts, in which phase."""

    of: dict[str, str] | str
    weight: float = 1.0
    phase: str = ""


@dataclass(frozen=True)
class Recipe:
    """A whole recipe, checked; ``resolved()`` reproduces it."""

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

    @property
    def name(self) -> str:
        """The recipe's name: its file's, without the ending."""
        return self.file.stem

    def resolved(self) -> dict[str, Any]:
        """Return the recipe with every option written out, as plain data."""
        return {
            "method": self.method.resolved(),
            "networks": {slot: part.resolved() for slot, part in self.networks.items()},
            "maskers": {role: part.resolved() for role, part in self.maskers.items()},
            "losses": {name: part.resolved() for name, part in self.losses.items()},
            "data": self.data.resolved(),
            "images": plain(asdict(self.images)),
            "train": {key: value for key, value in plain(asdict(self.train)).items() if key not in _unset(self.train)},
            "evaluate": {
                "metrics": [part.resolved() for part in self.metrics],
                **plain(asdict(self.evaluate)),
            },
        }


def _unset(train: TrainSettings) -> set[str]:
    return {"steps"} if train.epochs else {"epochs"}
