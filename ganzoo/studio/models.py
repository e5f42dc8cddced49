"""Keep the translators of the studio: each is loaded once, used by one request at a time, and freed when idle."""

from __future__ import annotations

import gc
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock, Timer

import torch

from ganzoo.engine.checkpoint_files import PROGRESS, select_checkpoint
from ganzoo.errors import GanzooError
from ganzoo.inference.translator import Translator


class Models:
    """Loaded translators, at most ``most``; the one that was not used for the longest time is freed first.

    Args:
        device: the torch device; empty: the accelerator if there is one.
        precision: see ``Translator``.
        idle: after so many seconds without a request all are freed.
        most: the number of translators that are kept.
    """

    def __init__(self, *, device: str = "", precision: str = "fp32", idle: float = 600, most: int = 2) -> None:
        self.device, self.precision, self.idle, self.most = device, precision, idle, most
        self._lock = RLock()
        self._loaded: OrderedDict[tuple[Path, str, int], Translator] = OrderedDict()
        self._timer: Timer | None = None

    @contextmanager
    def use(
        self, folder: Path, checkpoint: str = "", stopped: Callable[[], bool] | None = None
    ) -> Iterator[Translator]:
        """Yield the translator of a run's checkpoint, loaded if need be; other requests wait until the block ends.

        A checkpoint that was written again since is loaded again. The block must end in the thread in which it began.

        Args:
            folder: the run's folder.
            checkpoint: its checkpoint; empty: best or last.
            stopped: whether the user has cancelled the request, which is asked while it waits for another one.

        Raises GanzooError as ``Translator`` does, and if the user cancelled it.
        """
        while not self._lock.acquire(timeout=0.2):
            if stopped and stopped():
                raise GanzooError("cancelled, while it waited for another request")
        try:
            self._stop_timer()
            yield self._translator(folder, checkpoint)
        finally:
            self._stop_timer()
            self._timer = Timer(self.idle, self.free)
            self._timer.daemon = True
            self._timer.start()
            self._lock.release()

    @property
    def busy(self) -> bool:
        """Whether another request is at work."""
        free = self._lock.acquire(blocking=False)
        if free:
            self._lock.release()
        return not free

    @property
    def loaded(self) -> int:
        """The number of translators in memory."""
        return len(self._loaded)

    def free(self) -> None:
        """Free all translators; a request that is at work is waited for."""
        with self._lock:
            self._stop_timer()
            self._loaded.clear()
            self._collect()

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _translator(self, folder: Path, checkpoint: str) -> Translator:
        place = select_checkpoint(folder, checkpoint)
        key = (folder, place.name, (place / PROGRESS).stat().st_mtime_ns)
        if key not in self._loaded:
            for one in [one for one in self._loaded if one[:2] == key[:2]]:
                del self._loaded[one]
            while len(self._loaded) >= self.most:
                self._loaded.popitem(last=False)
            self._collect()
            self._loaded[key] = Translator(folder, checkpoint=place.name, device=self.device, precision=self.precision)
        self._loaded.move_to_end(key)
        return self._loaded[key]

    def _collect(self) -> None:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
