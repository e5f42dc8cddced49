"""Format numbers of bytes and seconds, and addresses, as texts for people."""

from __future__ import annotations

import re


def format_bytes(count: float) -> str:
    """Return a number of bytes as a text with a binary unit, KiB, MiB or GiB.

    >>> format_bytes(471_000_000), format_bytes(64 * 2**30), format_bytes(900)
    ('449 MiB', '64 GiB', '0.9 KiB')
    >>> format_bytes(1000 * 2**20), format_bytes(1100 * 2**30)
    ('1,000 MiB', '1,100 GiB')
    """
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if count >= unit:
            number = count / unit
            return f"{number:,.0f} {name}" if number >= 999.5 else f"{number:.3g} {name}"
    return f"{count / 2**10:.1f} KiB"


def format_duration(seconds: float) -> str:
    """Return a duration as a text, in the largest unit (days, h, min) of which it has at least two, or else in s.

    >>> [format_duration(seconds) for seconds in (9, 130, 7300, 8_000_000)]
    ['9 s', '2 min', '2 h', '93 days']
    """
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.0f} s"


def format_clock(seconds: float) -> str:
    """Return a duration as a clock shows it, minutes:seconds, or from one hour on hours:minutes:seconds.

    >>> format_clock(75), format_clock(7200)
    ('1:15', '2:00:00')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def without_secrets(text: str) -> str:
    """Return a text in which addresses have neither a user and password nor a query, which may hold a key.

    >>> without_secrets("https://ann:secret@example.org/a.tar?token=1#b cannot be fetched")
    'https://example.org/a.tar#b cannot be fetched'
    """
    text = re.sub(r"(\w://)[^/?#\s]*@", r"\1", text)
    return re.sub(r"(\w://[^\s?#]*)\?[^\s#'\",]*", r"\1", text)
