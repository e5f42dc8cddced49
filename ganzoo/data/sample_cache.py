"""A cache of the scaled samples of a data set in memory, shared by threads, each of which is read once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock
from typing import Any, NamedTuple

import numpy as np

from ganzoo.data.types import Sample, Split
from ganzoo.settings import Shape

PLANE_NAMES = ("image", "target", "mask", "labels")
"""The arrays of a sample."""
ENTRY_BYTES = 1200
"""What a cached sample takes besides the values of its arrays: Python's objects."""


class Key(NamedTuple):
    """What a sample was read as: its place, the height and width it was scaled to, and whether as a draft."""

    split: Split
    domain: str
    position: int
    size: Shape | None
    draft: bool


class SampleCache:
    """Keeps samples until they take ``size_in_bytes``; then it keeps what it has, and no further ones.

    Where several threads need a sample at the same time, one reads it and the others wait for it.
    """

    def __init__(self, size_in_bytes: int) -> None:
        self._free_bytes = size_in_bytes
        self._samples: dict[Key, Sample] = {}
        self._reading: dict[Key, Future[Sample]] = {}
        self._lock = Lock()

    def get(self, key: Key, read: Callable[[], Sample]) -> Sample:
        """Return a sample; ``read`` reads it if it is not kept. Raises what ``read`` raises."""
        with self._lock:
            if key in self._samples:
                return self._samples[key]
            reading = self._reading.get(key)
            is_first = reading is None
            if reading is None:
                reading = self._reading[key] = Future()
        if is_first:
            try:
                reading.set_result(read())
            except BaseException as error:
                reading.set_exception(error)
            with self._lock:
                del self._reading[key]
                if reading.exception() is None:
                    self._keep(key, reading.result())
        return reading.result()

    def forget(self, split: Split, size: Shape | None) -> None:
        """Drop a split's samples that were scaled to a size, to make room."""
        with self._lock:
            for key in [key for key in self._samples if (key.split, key.size) == (split, size)]:
                self._free_bytes += entry_bytes(self._samples.pop(key))

    def _keep(self, key: Key, sample: Sample) -> None:
        """Keep a sample if there is room; the lock must be held."""
        size_in_bytes = entry_bytes(sample)
        if size_in_bytes <= self._free_bytes:
            compact: dict[str, Any] = {name: _compact(plane) for name, plane in planes_of(sample).items()}
            self._samples[key] = replace(sample, **compact)
            self._free_bytes -= size_in_bytes


def planes_of(sample: Sample) -> dict[str, np.ndarray]:
    """Return the arrays that a sample has, by name."""
    return {name: plane for name in PLANE_NAMES if (plane := getattr(sample, name)) is not None}


def entry_bytes(sample: Sample) -> int:
    """Return the memory that a kept sample takes."""
    return ENTRY_BYTES + sum(plane.nbytes for plane in planes_of(sample).values())


def _compact(plane: np.ndarray) -> np.ndarray:
    """Return an array, or a copy of it if it is a part of a larger one, which it would keep in memory."""
    whole = plane.base
    return plane.copy() if isinstance(whole, np.ndarray) and whole.nbytes > plane.nbytes else plane
