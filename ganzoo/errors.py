"""Errors for users, printed without a traceback; each class has an exit code for callers that must react."""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path

NO_MEMORY = re.compile(
    r"out of memory|not enough memory|can(no|')t allocate memory|unable to allocate|failed to allocate|alloc_failed",
    re.IGNORECASE,
)
"""What torch, CUDA's libraries and NumPy say of a lack of memory; "memory" alone is also in other errors."""

SIZES = re.compile(r"\b(sizes?|shapes?|padding|dimensions?)\b", re.IGNORECASE)
"""What torch says of images that do not fit a network."""


class GanzooError(Exception):
    """An error that the user can fix; its message says what is wrong and where, and usually what to do.

    If several mistakes are found together, the message has one line for each of them.
    """

    exit_code: int = 2
    """Exit code of the command line; docs/errors.md lists the codes."""


class SettingsChangedError(GanzooError):
    """A run cannot be resumed: it was started with other settings, or by an earlier version of ganzoo."""

    exit_code = 3


class BusyError(GanzooError):
    """Another process is writing the same thing, such as a run, a table or a bank."""

    exit_code = 4


class MissingResourceError(GanzooError):
    """This machine lacks images, weights, a package or a plugin; the same command may work on another machine."""

    exit_code = 5


class UnknownWeightsError(GanzooError):
    """No plugin lists a file of weights of this name."""


class DamagedError(GanzooError):
    """A file is missing in its folder, damaged, or was changed since ganzoo wrote it; nothing was read from it."""


class OutOfMemoryError(GanzooError):
    """A step, a batch or an image does not fit into the memory."""

    exit_code = 6


class ComponentError(GanzooError):
    """A component of a plugin returned something wrong, or failed: a mistake of its author, whose line it names."""


class RunInterruptedError(GanzooError):
    """A run was stopped by a signal, after it saved its state.

    Args:
        message: the message.
        exit_code: 128 + the signal's number; 0 in a process that was stopped because another one received the signal.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error means a lack of memory, by its type or its text.

    >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes"))
    True
    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    >>> is_out_of_memory(RuntimeError("CUDA error: an illegal memory access was encountered"))
    False
    >>> is_out_of_memory(RuntimeError("more than one element of the tensor refers to a single memory location"))
    False
    """
    named = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"  # torch's, without its import
    return named or bool(NO_MEMORY.search(str(error)))


@contextmanager
def catch_out_of_memory(where: str, advise: Callable[[], str] | None = None) -> Iterator[None]:
    """Turn a lack of memory in a ``with`` block into an OutOfMemoryError; its message is ``where`` and some advice.

    Args:
        where: what does not fit, and where.
        advise: a function that returns the advice; it is called after the block's tensors were freed.
    """
    try:
        yield
        return
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        traceback.clear_frames(error.__traceback__)  # its variables keep the tensors in memory
    advice = "lower train.batch (and raise train.accumulate), or images.size, or set train.checkpointing to true"
    raise OutOfMemoryError(f"{where}: {advise() if advise else advice}")


def is_strict() -> bool:
    """Return whether GANZOO_STRICT is set: for authors of plugins, who then see every traceback."""
    return os.environ.get("GANZOO_STRICT", "") not in ("", "0")


def is_of_another_process(error: RuntimeError) -> bool:
    """Return whether an error of one of several processes says that another one does not answer."""
    return "WORLD_SIZE" in os.environ and any(word in str(error) for word in ("gloo", "NCCL", "Connection"))


@contextmanager
def catch_torch_errors(where: str) -> Iterator[None]:
    """Turn a RuntimeError in a ``with`` block, such as torch's for images too small for a network, into a GanzooError.

    Its message is ``where``, the error in one line, and the line of code that called torch. In strict mode the error
    stays as it is, and so does that of another process.
    """
    try:
        yield
    except RuntimeError as error:
        if is_strict() or is_of_another_process(error):
            raise
        frames = traceback.extract_tb(error.__traceback__)
        package = Path(getattr(sys.modules.get("torch"), "__file__", None) or "torch").parent
        caller = [frame for frame in frames if not Path(frame.filename).is_relative_to(package)][-1]
        raise GanzooError(
            f"{where}: {one_line(error)[:300]} ({caller.filename}:{caller.lineno}){size_advice(error)}; "
            "GANZOO_STRICT=1 shows the traceback"
        ) from error


def size_advice(error: BaseException) -> str:
    """Return what to do about an error of torch that speaks of sizes, to append to a message; empty for any other.

    >>> size_advice(RuntimeError("Kernel size can't be greater than actual input size"))
    '; change images.size or the options of the networks'
    >>> size_advice(NotImplementedError("this size")), size_advice(RuntimeError("no gradient"))
    ('', '')
    """
    of_sizes = type(error) is RuntimeError and SIZES.search(str(error))  # its subclasses are not about sizes
    return "; change images.size or the options of the networks" if of_sizes else ""


@contextmanager
def prefix_errors(where: str) -> Iterator[None]:
    """Put ``where`` before the message of a GanzooError of a ``with`` block; its class and exit code stay."""
    try:
        yield
    except GanzooError as error:
        error.args = (f"{where}: {error}",)
        raise


def suggest(word: object, known: Iterable[str]) -> str:
    """Return a hint to append to a message: the known word that is most similar to ``word``, or else all known words.

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


def suggest_path(path: Path) -> str:
    """Return `` (did you mean 'runs/quickstart/default'?)`` with a similar path that exists; empty if there is none."""
    found = Path()
    for part in path.parts:
        if not (found / part).exists():
            try:
                close = get_close_matches(part, [one.name for one in found.iterdir()], n=1, cutoff=0.75)
            except OSError:  # a file, or a folder that cannot be read
                return ""
            if not close:
                return ""
            part = close[0]
        found /= part
    return f" (did you mean {str(found)!r}?)"


def one_line(error: BaseException) -> str:
    """Return an exception as one line of text: the name of its type, and its message if it has one.

    >>> one_line(KeyError("blocks"))
    "KeyError: 'blocks'"
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
