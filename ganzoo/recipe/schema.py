"""A checked recipe: its components with their options, and its settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ganzoo.errors import MissingResourceError
from ganzoo.interfaces.inner import Inner
from ganzoo.registry import Component
from ganzoo.settings import EvaluateSettings, ImageSettings, TrainSettings
from ganzoo.utils.jsonl import to_plain


@dataclass(frozen=True)
class Part(Inner):
    """A component of a recipe with its checked options, which may contain other components.

    Args:
        component: the component.
        options: the component's own options, with defaults filled in.
        kind_options: the options that every component of this kind has: ``foreground``, ``threshold``, … of a masker;
            ``augment``, ``noise`` and ``spectral_norm`` of a discriminator; ``of``, ``weight`` and ``phase`` of a loss;
            empty for the other kinds.
    """

    component: Component
    options: dict[str, Any]
    kind_options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The component's name in recipes."""
        return self.component.name

    def inner(self) -> Iterator[Part]:
        """Yield the components inside this one, and those inside them."""
        yield from _parts_in(self.options)

    def make(self, *args: Any, place: str = "") -> Any:
        """Return a new instance.

        Args:
            args: the values that ganzoo passes to this kind, such as numbers of channels.
            place: the part's path in the recipe, such as ``data``. An error about a missing file or folder that one of
                its options names then says how to set that option on the command line.

        Raises as ``Component.make`` does.
        """
        try:
            return self.component.make(*args, **self.options)
        except MissingResourceError as error:
            named = [
                name for name, value in self.options.items() if isinstance(value, Path) and str(value) in str(error)
            ]
            if not place or not named:
                raise
            option = f"{place}.{named[0]}=PATH"
            raise MissingResourceError(
                f"{error}; if it is elsewhere now, add {option} to the command (ganzoo evaluate: --set {option})"
            ) from None

    def resolved(self) -> dict[str, Any]:
        """Return the part as a recipe would write it, as plain data with every option."""
        return {self.component.kind: self.component.name, **_plain(self.options), **to_plain(self.kind_options)}


def _parts_in(value: Any) -> Iterator[Part]:
    if isinstance(value, Part):
        yield value
        value = value.options
    if isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _parts_in(one)


def _plain(value: Any) -> Any:
    """Return options as plain data, the components in them as a recipe would write them."""
    if isinstance(value, Part):
        return value.resolved()
    if isinstance(value, Mapping):
        return {to_plain(key): _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else to_plain(value)


@dataclass(kw_only=True)
class LossAttachment:
    """How a recipe attaches a loss to a method.

    Args:
        of: input of the loss → name of the tensor that it reads; a plain name is for the loss's first input.
        weight: the factor of the loss in the sum of its phase.
        phase: the phase whose losses it is added to; empty: the first phase that trains generators.
    """

    of: dict[str, str] | str
    weight: float = 1.0
    phase: str = ""


@dataclass(frozen=True)
class Recipe:
    """A whole checked recipe.

    Args:
        file: the recipe's file.
        method: the method.
        networks: slot → network.
        maskers: role → masker.
        losses: name → loss.
        data: the data set.
        metrics: the metrics of evaluations.
        images: settings of the training images.
        train: settings of the training.
        evaluate: settings of evaluations.
    """

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
        """Return, as plain data, a recipe with the same meaning that states every option.

        Of ``train.epochs`` and ``train.steps`` it has only the one in use, and options whose default is no value only
        if they are set.
        """
        return {
            "method": self.method.resolved(),
            "networks": {slot: part.resolved() for slot, part in self.networks.items()},
            "maskers": {role: part.resolved() for role, part in self.maskers.items()},
            "losses": {name: part.resolved() for name, part in self.losses.items()},
            "data": self.data.resolved(),
            "images": {key: value for key, value in to_plain(asdict(self.images)).items() if value is not None},
            "train": {
                key: value
                for key, value in to_plain(asdict(self.train)).items()
                if key != ("steps" if self.train.epochs else "epochs") and value is not None
            },
            "evaluate": {
                "metrics": [part.resolved() for part in self.metrics],
                **to_plain(asdict(self.evaluate)),
            },
        }
