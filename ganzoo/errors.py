"""Errors for users, printed without a traceback; each class has an exit code for callers that must react."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class GanzooError(Exception):
    """An error that the user can fix: the text says where it is, what it is and what to do.

    Several errors that are found together are joined by line breaks, one line each.
    """

    exit_code: int = 2
    """Exit code of the command line; docs/errors.md lists the codes."""


class SettingsChangedError(GanzooError):
    """A run was started with other settings and cannot be resumed with the present ones."""

    exit_code = 3


class BusyError(GanzooError):
    """Another process writes the same run, table, bank or download."""

    exit_code = 4


class MissingResourceError(GanzooError):
    """Images, weights, a package or a plugin are missing on this machine; the same command may work on another."""

    exit_code = 5


class DamagedError(GanzooError):
    """A file is missing in its folder, damaged, or was changed since ganzoo wrote it; nothing was read from it."""


class OutOfMemoryError(GanzooError):
    """A step, an image or a network does not fit into the memory."""

    exit_code = 6


class RunInterruptedError(GanzooError):
    """A run was stopped by a signal and saved its state; ``exit_code`` is 128 + the signal's number."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error of torch or Python means that there is not enough memory."""
    return "memory" in f"{type(error).__name__} {error}".lower()


@contextmanager
def catch_out_of_memory(where: str) -> Iterator[None]:
    """Raise OutOfMemoryError, with advice, if a block runs out of memory; ``where`` starts its message."""
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
    """Return `` (did you mean 'x'?)`` with the most similar known word, or else the list of known words.

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
    """Return an exception as one line: its type and its text.

    >>> one_line(KeyError("blocks"))
    "KeyError: 'blocks'"
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
