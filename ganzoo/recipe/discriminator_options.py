"""The options that every discriminator of a recipe takes besides its own ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field
from typing_extensions import TypedDict

Transformation = Literal["color", "translation", "cutout"]
TRANSFORMATIONS: tuple[Transformation, ...] = ("color", "translation", "cutout")


class DiffAugmentSettings(TypedDict):
    """``diffaugment``: the transformations of DiffAugment that are used."""

    diffaugment: Annotated[tuple[Transformation, ...], Field(min_length=1)]


class AdaValues(TypedDict, total=False):
    """``target``: the value of r_t that p is adapted to; ``images``: how many images p takes from 0 to 1 at least."""

    target: Annotated[float, Field(ge=-1, le=1)]
    images: Annotated[int, Field(ge=1)]


class AdaSettings(TypedDict):
    """``ada``: what adaptive augmentation aims at."""

    ada: AdaValues


class NoiseSettings(TypedDict):
    """``sigma``: the noise at the start; ``until``: the share of the run after which there is none."""

    sigma: Annotated[float, Field(gt=0)]
    until: Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True, kw_only=True)
class DiscriminatorOptions:
    """What every discriminator can have besides its own options, against overfitting to few images.

    Augmentation and noise change what the discriminator sees in training, of real and of generated images, in the
    discriminators' and in the generators' phase; generated images themselves do not change.

    Args:
        augment: ``diffaugment`` transforms every image at random (Zhao et al. 2020), by default with ``{diffaugment:
            [color, translation, cutout]}``; ``ada`` transforms with a probability p that rises while the discriminator
            is too sure of real images (Karras et al. 2020), by default with ``{ada: {target: 0.6, images: 5000}}``.
        noise: standard deviation of normal noise on the images (Sønderby et al. 2017), on the scale [−1, 1]. It falls
            linearly to 0 at the run's end, or after a share of it: ``{sigma: 0.1, until: 0.5}``.
        spectral_norm: whether every convolution and linear layer is divided by its largest singular value (Miyato et
            al. 2018).
    """

    augment: Literal["none", "diffaugment", "ada"] | DiffAugmentSettings | AdaSettings = "none"
    noise: Annotated[float, Field(ge=0)] | NoiseSettings = 0.0
    spectral_norm: bool = False

    @property
    def policy(self) -> tuple[Transformation, ...]:
        """The transformations of DiffAugment; empty without it."""
        if isinstance(self.augment, Mapping):
            return tuple(_settings(self.augment, "diffaugment") or ())
        return TRANSFORMATIONS if self.augment == "diffaugment" else ()

    @property
    def ada(self) -> AdaValues | None:
        """The settings of adaptive augmentation; None without it."""
        if isinstance(self.augment, Mapping):
            values: AdaValues | None = _settings(self.augment, "ada")
            return values
        return {} if self.augment == "ada" else None

    @property
    def sigma(self) -> float:
        """The standard deviation of the noise at the start of a run."""
        return self.noise["sigma"] if isinstance(self.noise, Mapping) else self.noise

    @property
    def until(self) -> float:
        """The share of the run, 0 … 1, after which there is no noise."""
        return self.noise["until"] if isinstance(self.noise, Mapping) else 1.0

    @property
    def changes_images(self) -> bool:
        """Whether the discriminator sees other images than the method gives it."""
        return self.augment != "none" or self.sigma > 0


def _settings(augment: Mapping[str, Any], name: str) -> Any:
    return augment.get(name)
