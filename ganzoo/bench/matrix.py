"""The matrix of a spec, in place of columns: the distance between every two sets of images.

``ganzoo.bench.spec`` reads it; a set has real images, or translations with a masker.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from ganzoo.interfaces import Split

SetName = Annotated[str, Field(pattern=r"^[^|:]+$")]
Domain = Literal["A", "B"]


class ImageSet(BaseModel):
    """Real images of a split, or translations with a masker of its own.

    The masker takes the place of the run's in the role ``input`` or ``composite``, as with ``ganzoo translate``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    real: Split | None = None
    masker: str | dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> ImageSet:
        if (self.real is None) == (self.masker is None):
            raise ValueError("a set is {real: train}, validation or test, or {masker: NAME}")
        return self


class Matrix(BaseModel):
    """A metric, and the sets that it compares.

    Args:
        metric: one metric that compares translations with real images; its first value counts.
        sets: the sets, by name, at least two.
        domains: the label of each domain.
        digits: number of digits after the decimal point.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str | dict[str, Any]
    sets: Annotated[dict[SetName, ImageSet], Field(min_length=2)]
    domains: Annotated[dict[Domain, str], Field(min_length=1)] = {"A": "A", "B": "B"}
    digits: Annotated[int, Field(ge=0, le=9)] = 1

    @field_validator("metric")
    @classmethod
    def _one_metric(cls, metric: str | dict[str, Any]) -> str | dict[str, Any]:
        if isinstance(metric, str) and not re.fullmatch(r"[\w-]+", metric):
            raise ValueError("it is one metric: NAME, or {metric: NAME, option: value, …}")
        return metric

    def pairs(self) -> Iterator[tuple[Domain, str, str]]:
        """Yield domain, first and second set, row by row."""
        yield from product(self.domains, self.sets, self.sets)

    def value_names(self) -> list[str]:
        """Return the names of the matrix's values in records."""
        return [distance_name(*pair) for pair in self.pairs()]


def distance_name(domain: str, first: str, second: str) -> str:
    """Return the name of the distance of one set, taken as translations, from another, taken as real.

    >>> distance_name("A", "scale 0.8", "real test")
    'A: scale 0.8 | real test'
    """
    return f"{domain}: {first} | {second}"
