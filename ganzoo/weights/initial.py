"""Whether the networks that are built now need initial weights, or get those of a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_NEEDED: ContextVar[bool] = ContextVar("initial weights", default=True)


def needs_initial_weights() -> bool:
    """Return whether a network should read the pretrained weights that it begins its training with.

    It should not where a checkpoint's weights replace those of all networks, in translations and evaluations of a run:
    so the run works where the pretrained weights are not. A frozen network, whose weights no checkpoint has, always
    needs them.

    >>> needs_initial_weights()
    True
    """
    return _NEEDED.get()


@contextmanager
def without_initial_weights() -> Iterator[None]:
    """Let networks that are built in a ``with`` block skip the weights that they begin with."""
    token = _NEEDED.set(False)
    try:
        yield
    finally:
        _NEEDED.reset(token)
