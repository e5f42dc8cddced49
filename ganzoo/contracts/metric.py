"""What a metric must declare and return: rows, one for each image, and finite values by name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from numbers import Real
from typing import Any

from torch import Tensor

from ganzoo.contracts.describe import describe, wrong_attribute
from ganzoo.contracts.origin import Origin

DIRECTIONS = ("AB", "BA", "AA")
TRANSLATED = ("measured", "train")
REFERENCES = ("", *TRANSLATED)


def check_metric(metric: Any, base: type, origin: Origin) -> None:
    """Check what a metric declares, after ``bind``. Raises ComponentError.

    Args:
        metric: the metric.
        base: the interface's class ``Metric``.
        origin: where the metric comes from.
    """
    directions = metric.directions
    if not isinstance(directions, tuple | list) or not directions or not set(map(str, directions)) <= set(DIRECTIONS):
        raise wrong_attribute(origin, "directions", directions, f"a tuple of {', '.join(map(repr, DIRECTIONS))}")
    if not isinstance(metric.translated, str) or metric.translated not in TRANSLATED:
        raise wrong_attribute(origin, "translated", metric.translated, "'measured' or 'train'")
    if not isinstance(metric.reference, str) or metric.reference not in REFERENCES:
        raise wrong_attribute(origin, "reference", metric.reference, "'measured', 'train', or '' for no real images")
    if metric.reference and type(metric).reference_rows is base.reference_rows:  # type: ignore[attr-defined]
        expected = "the function reference_rows beside it, which computes the rows of real images"
        raise wrong_attribute(origin, "reference", metric.reference, expected)
    if metric.bootstrap not in (None, True, False):
        raise wrong_attribute(origin, "bootstrap", metric.bootstrap, "True, False or None")
    if not isinstance(metric.cache_key, str):
        raise wrong_attribute(origin, "cache_key", metric.cache_key, "a text; empty if rows are not cached")
    if not isinstance(metric.about, Mapping) or not all(
        isinstance(text, str) for pair in metric.about.items() for text in pair
    ):
        raise wrong_attribute(origin, "about", metric.about, "name → text")
    if not isinstance(metric.sources, Mapping):
        raise wrong_attribute(origin, "sources", metric.sources, "name → Source")


def check_rows(
    rows: Any, count: int, origin: Origin, *, names: Iterable[str] | None = None, function: str = "rows"
) -> dict[str, Tensor]:
    """Return the rows of a batch. Raises ComponentError unless they are tensors with a finite row for each image.

    Args:
        rows: what the metric returned.
        count: the number of images of the batch.
        origin: where the metric comes from.
        names: the names of the rows of earlier batches, which must be the same.
        function: the function that returned them: ``rows`` or ``reference_rows``.
    """
    expected = f"name → tensor with {count} row{'s' * (count != 1)}, one for each image of the batch"
    if not isinstance(rows, Mapping):
        raise origin.refuse(function, describe(rows), f"a dict: {expected}")
    for name, column in rows.items():
        if not isinstance(name, str):
            raise origin.refuse(function, f"the name {describe(name)}", f"a dict: {expected}")
        if not isinstance(column, Tensor) or column.dim() == 0 or len(column) != count:
            raise origin.refuse(function, f"{name}: {describe(column)}", expected)
        if not bool(column.isfinite().all()):
            raise origin.refuse(function, f"{name}: values that are not finite", "finite numbers")
    if not rows:
        raise origin.refuse(function, "an empty dict", f"a dict: {expected}")
    if names is not None and set(rows) != set(names):
        returned, before = (", ".join(map(repr, one)) for one in (rows, names))
        raise origin.refuse(function, f"rows {returned} after rows {before}", "the same names for each batch")
    return dict(rows)


def check_values(values: Any, origin: Origin) -> dict[str, float]:
    """Return metric values as Python's floats. Raises ComponentError unless they are finite numbers by name."""
    expected = "a dict: name → float"
    if not isinstance(values, Mapping):
        raise origin.refuse("compute", describe(values), expected)
    if not values:
        raise origin.refuse("compute", "an empty dict", f"{expected}, with at least one value")
    for name, value in values.items():
        if not isinstance(name, str) or not name:
            raise origin.refuse("compute", f"a value whose name is {describe(name)}", expected)
        if not isinstance(value, Real) or isinstance(value, bool):
            raise origin.refuse("compute", f"{name}: {describe(value)}", f"{expected}, such as float(tensor)")
        if not math.isfinite(value):
            raise origin.refuse("compute", f"{name}: {float(value)}", "a finite number")
    return {name: float(value) for name, value in values.items()}


def check_caution(caution: Any, origin: Origin) -> str:
    """Return a metric's caution. Raises ComponentError unless it is a text."""
    if not isinstance(caution, str):
        raise origin.refuse("caution", describe(caution), "a text; '' if there is nothing to know")
    return caution
