"""The one exception that users meet: printed as it is, without a traceback, with exit code 2."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class GanzooError(Exception):
    """A mistake that the user can mend: the text says where it is, what it is and what to do.

    Several mistakes found together are joined by line breaks, one line each.
    """


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error is torch's or Python's way of saying that there is no memory left."""
    return "memory" in f"{type(error).__name__} {error}".lower()


@contextmanager
def catch_out_of_memory(where: str) -> Iterator[None]:
    """Turn running out of memory within a block into a GanzooError that says where, and what helps."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise GanzooError(
            f"{where}: lower train.batch (and raise train.accumulate), or images.size, or the networks' width"
        ) from None


def suggest(word: object, known: Iterable[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the nearest known word, or else the list of the known ones.

    >>> suggest("resnt", ["resnet", "unet"])
    " (did you mean 'resnet'?)"
    >>> suggest("zzz", ["resnet", "unet"])
    ' (there are: resnet, unet)'
    """
    names = sorted(set(known))
    small = {name.lower(): name for name in names}
    close = get_close_matches(str(word).lower(), small, n=1, cutoff=0.6)
    if close:
        return f" (did you mean {small[close[0]]!r}?)"
    return f" (there are: {', '.join(names)})" if names else " (there are none)"


def one_line(error: BaseException) -> str:
    """Return a foreign exception as one line: its type and its text.

    >>> one_line(KeyError("blocks"))
    "KeyError: 'blocks'"
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
