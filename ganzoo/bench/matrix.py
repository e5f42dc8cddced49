"""The matrix of a spec, in place of columns: the distance of each set of images from each set.

A set has real images, or translations with a masker. ``ganzoo.bench.spec`` reads the matrix.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, field_validator, model_validator

from ganzoo.bench.columns import STRICT, Digits
from ganzoo.interfaces import Split

SetName = Annotated[str, Field(pattern=r"^[^|:]+$")]
Domain = Literal["A", "B"]


class ImageSet(BaseModel):
    """A set of images: the real images of a split, or translations with a masker of its own.

    Exactly one of ``real`` and ``masker`` is set. The masker takes the place of the run's masker in the role ``input``
    or ``composite``, as with ``ganzoo translate``.

    Args:
        real: the split of the real images.
        masker: the masker that the images are translated with, as in a recipe.
    """

    model_config = STRICT

    real: Split | None = None
    masker: str | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ImageSet:
        if (self.real is None) == (self.masker is None):
            raise ValueError("a set is {real: train}, validation or test, or {masker: NAME}")
        return self


class Matrix(BaseModel):
    """A metric, and the sets of images that it compares.

    Args:
        metric: one metric that compares translations with real images; only the first value that it gives is used.
        sets: the sets, by name, at least two.
        domains: the domains of the images that are compared, each with its label.
        digits: number of digits after the decimal point.
    """

    model_config = STRICT

    metric: str | dict[str, Any]
    sets: Annotated[dict[SetName, ImageSet], Field(min_length=2)]
    domains: Annotated[dict[Domain, str], Field(min_length=1)] = {"A": "A", "B": "B"}
    digits: Digits = 1

    @field_validator("metric")
    @classmethod
    def _one_metric(cls, metric: str | dict[str, Any]) -> str | dict[str, Any]:
        if isinstance(metric, str) and not re.fullmatch(r"[\w-]+", metric):
            raise ValueError("it is one metric: NAME, or {metric: NAME, option: value, …}")
        return metric

    def pairs(self) -> Iterator[tuple[Domain, str, str]]:
        """Yield (domain, first set, second set) of each value, by domain and row; a set is also paired with itself."""
        yield from product(self.domains, self.sets, self.sets)

    def value_names(self) -> list[str]:
        """Return the names of the matrix's values in records, in the order of ``pairs``."""
        return [distance_name(*pair) for pair in self.pairs()]


def distance_name(domain: str, first: str, second: str) -> str:
    """Return the name of the distance of the first set, taken as translations, from the second, taken as real images.

    >>> distance_name("A", "scale 0.8", "real test")
    'A: scale 0.8 | real test'
    """
    return f"{domain}: {first} | {second}"
