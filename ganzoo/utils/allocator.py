"""Keep freed main memory in this process for the next training step, instead of giving it back to the system."""

from __future__ import annotations

import ctypes
import os
import sys
from contextlib import suppress

SETTINGS = {-3: 2**30, -1: 2**31 - 1, -2: 2**26}
"""Number of one of glibc's settings (malloc.h) → its value in bytes.

Blocks up to 1 GiB come from the heap (M_MMAP_THRESHOLD), up to 2 GiB at its end stay there when they are free
(M_TRIM_THRESHOLD), and it grows by 64 MiB (M_TOP_PAD).
"""


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that is freed; return whether it does.

    By default it returns large blocks to the system at once. Each training step then gets thousands of new pages, which
    the system has to fill with zeros first. The peak memory stays the same. Nothing changes with another C library, or
    if the user has chosen settings (``MALLOC_…_``, ``GLIBC_TUNABLES``).
    """
    chosen = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if not sys.platform.startswith("linux") or chosen:
        return False
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  # other libraries lack it, and their settings have other numbers
        accepted = [library.mallopt(number, value) for number, value in SETTINGS.items()]
        return all(accepted)
    return False
