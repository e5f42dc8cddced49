"""What a spec says of metric values: the columns and curves that show them, and a level that runs reach."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

STRICT = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
"""The configuration of all parts of a spec: they have no other keys than their own, and numbers are finite."""

Whole = Annotated[int, Field(strict=True)]
"""A whole number; true is none."""
Number = Annotated[float, Field(strict=True)]
"""A number; true is none."""
Digits = Annotated[Whole, Field(ge=0, le=9)]
"""A number of digits after the decimal point."""


class NamedValue(BaseModel):
    """A metric value of the records.

    Args:
        value: the metric value's name in records, such as ``fid_AB``.
        also: the value's name in records of methods with one direction, where names have no direction.
    """

    model_config = STRICT

    value: str
    also: str = ""

    def name_in(self, values: Mapping[str, Any]) -> str:
        """Return the name of the value in ``values``: ``also`` if only that name is in it, else ``value``."""
        return self.also if self.also in values and self.value not in values else self.value


class Column(NamedValue):
    """A column of a table, or a curve.

    Args:
        value: see ``NamedValue``.
        also: see ``NamedValue``.
        label: the column's heading.
        better: ``more`` or ``less``, whichever is better; empty if no value is to be marked as the best.
        digits: number of digits after the decimal point.
        factor: a factor that values are multiplied by before they are shown.
    """

    label: str
    better: Literal["more", "less", ""] = ""
    digits: Digits = 3
    factor: Number = 1.0


class Reach(NamedValue):
    """A level of a metric value on validation images: records say when runs reached it and stayed there.

    Args:
        value: see ``NamedValue``.
        also: see ``NamedValue``.
        at: the level.
        better: whether a value has reached it that is ``more``, or ``less``.
    """

    at: Number
    better: Literal["more", "less"]

    def described(self) -> dict[str, Any]:
        """Return the level as records store it."""
        return self.model_dump(exclude_defaults=True)

    def value_names(self) -> tuple[str, str]:
        """Return the names of the two values in records: the steps, and the seconds of training."""
        return f"steps_to_{self.value}", f"seconds_to_{self.value}"
