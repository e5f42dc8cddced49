"""Errors that users meet: printed without a traceback; the class tells what can be done, and has an exit code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class GanzooError(Exception):
    """An error that the user can fix: the text says where it is, what it is and what to do.

    Several errors found together are joined by line breaks, one line each.
    """

    exit_code: int = 2
    """What the command line exits with. docs/errors.md lists the codes."""


class SettingsChangedError(GanzooError):
    """A run was started with other settings, so it cannot be resumed with these."""

    exit_code = 3


class BusyError(GanzooError):
    """Another process is writing the same run, table, bank or download."""

    exit_code = 4


class MissingResourceError(GanzooError):
    """Images, weights or a package are not on this machine; elsewhere the same command may work."""

    exit_code = 5


class OutOfMemoryError(GanzooError):
    """A step, an image or a network does not fit into the memory."""

    exit_code = 6


class RunInterruptedError(GanzooError):
    """A run was asked to stop, by a signal, and saved its state: ``exit_code`` is 128 + the signal's number."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


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
        raise OutOfMemoryError(
            f"{where}: lower train.batch (and raise train.accumulate), or images.size, or the networks' width"
        ) from None


@contextmanager
def prefix_errors(where: str) -> Iterator[None]:
    """Put ``where`` before the message of a GanzooError that the block raises."""
    try:
        yield
    except GanzooError as error:
        raise GanzooError(f"{where}: {error}") from None


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
