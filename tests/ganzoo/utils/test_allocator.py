"""Freed memory stays in the process, unless the user has chosen how glibc handles it."""

from __future__ import annotations

import subprocess
import sys

import pytest

COUNT = """
import resource, sys
from ganzoo.utils.allocator import keep_freed_memory

if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit(77)
for round in range(4):
    if round == 2:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in range(1, 9):  # blocks of 8 to 64 MiB, freed in the opposite order
        blocks = [bytearray(size * 2**23) for _ in range(2)]
        del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(mode: str) -> int:
    """Return the page faults of a process that takes and frees large blocks again."""
    result = subprocess.run([sys.executable, "-c", COUNT, mode], capture_output=True, text=True)
    if result.returncode == 77:
        pytest.skip("this C library is not glibc, or its settings are chosen in the environment")
    return int(result.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings exist on Linux only")
def test_freed_memory_is_used_again_without_new_pages() -> None:
    assert page_faults("keep") < page_faults("plain") / 10


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's settings exist on Linux only")
def test_the_settings_of_the_user_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    from ganzoo.utils.allocator import keep_freed_memory

    monkeypatch.setenv("MALLOC_ARENA_MAX", "2")
    assert not keep_freed_memory()
