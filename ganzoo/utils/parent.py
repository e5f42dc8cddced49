"""Let a process that ganzoo starts end together with the one that started it, even if that one was killed.

The child's standard input is a pipe that only its parent holds open. The system closes it when the parent ends, however
it ends; the child then stops as by SIGTERM, so that a run saves its state.
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress

FOLLOWS = "GANZOO_FOLLOWS_STDIN"
"""The environment variable that a parent sets to 1."""


def stop_with_parent() -> None:
    """Watch the parent in a thread, if it asks for that; processes that this one starts do not inherit the request."""
    if os.environ.pop(FOLLOWS, "") == "1":
        threading.Thread(target=_stop_at_end_of_input, name="ganzoo-parent", daemon=True).start()


def _stop_at_end_of_input() -> None:
    with suppress(OSError):
        while os.read(0, 1):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
