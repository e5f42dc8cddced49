"""Options of the data sets whose samples have several images and values: ``webdataset`` and ``huggingface``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ganzoo.interfaces import GanzooError
from ganzoo_datasets.files import DOMAINS, Domain, choose

Value = bool | int | float | str
Where = dict[Domain, dict[str, Value | list[Value]]]
"""Maps a domain to conditions: a column or field, and the value, or the values, that its samples have."""
PerDomain = str | dict[Domain, str]
"""A text for both domains, or one for each."""


def domains_of(second: object, *options: object) -> tuple[Domain, ...]:
    """Return the domains that a recipe describes: A, and B if something says what B is.

    Args:
        second: the option ``B``.
        options: the options that may have an entry for each domain.
    """
    described = second is not None or any(isinstance(one, Mapping) and "B" in one for one in options)
    return DOMAINS if described else ("A",)


def refuse_equal_domains(kind: str, second: object, image: PerDomain | None, where: object, usual: str = "") -> None:
    """Raise GanzooError if both domains would have the same images.

    Args:
        kind: the name of the data set.
        second: the option ``B``.
        image: the option ``image``.
        where: the option ``where``.
        usual: the image of a domain that ``image`` does not name.
    """
    first, other = (choose(image, domain) or usual for domain in DOMAINS)
    if second is None and first == other and not where:
        raise GanzooError(f"{kind}: A and B would have the same images; set B, or what differs: image or where")


def check_paired(kind: str, second: object, image: object, where: object) -> None:
    """Raise GanzooError if pairs are wanted, but a sample does not hold both partners."""
    if second is not None or where:
        raise GanzooError(
            f"{kind}: paired is set, so both partners come from the same samples: remove {'B' if second else 'where'}"
        )
    if not isinstance(image, Mapping) or set(image) != set(DOMAINS) or len(set(image.values())) < 2:
        raise GanzooError(f"{kind}: paired is set; name the two images of a sample: image: {{A: …, B: …}}")


def matches(value: Any, wanted: Value | list[Value]) -> bool:
    """Return whether a value is the wanted one, or one of them; a number in text counts as the number.

    >>> matches(3, [3, 4]), matches("3", 3), matches("horse", "zebra"), matches(True, 1)
    (True, True, False, False)
    """
    accepted = wanted if isinstance(wanted, list) else [wanted]
    return any(
        (type(value) is bool) == (type(one) is bool) and (value == one or str(value) == str(one)) for one in accepted
    )


def as_number(value: Any, where: str) -> float:
    """Return a value as a number for metrics. Raises GanzooError, which begins with ``where``, if it is none."""
    try:
        return float(value)
    except (TypeError, ValueError):
        raise GanzooError(
            f"{where}: {str(value)[:50]!r} is no number; name a label that is one, or remove label"
        ) from None
