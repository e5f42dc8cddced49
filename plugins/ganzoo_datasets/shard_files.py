"""Find the shards that a recipe names: local paths and patterns, or addresses, whose files are downloaded once."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from ganzoo.interfaces import GanzooError, MissingResourceError, cached_file, download_file, format_bytes

GIB = 2**30
FOLDER = "shards"
"""The folder of downloaded shards in the cache."""
MOST_SHARDS = 100_000
"""The number of shards that a pattern may stand for."""
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+:")


class ShardFiles:
    """Finds the shards of a data set and downloads them, as long as all of them stay within a limit.

    Args:
        limit: the size in GiB that the downloaded shards may have together.
    """

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.files: set[Path] = set()
        """The local files of the addresses so far."""

    def find(self, named: Sequence[str], option: str) -> list[tuple[str, Path]]:
        """Return (label, local file) of each shard, in the order in which the recipe names them.

        The label is the last part of the path or address without ``.tar``.

        Args:
            named: paths, patterns and addresses; ``{000..019}`` stands for all numbers in between, and in paths ``*``,
                ``?`` and ``[…]`` for what they match, sorted.
            option: the name of the option, for errors.

        Raises:
            MissingResourceError: a shard does not exist, or cannot be downloaded within the limit.
            GanzooError: an address is not http or https, a pattern is wrong, or two shards have the same label.
        """
        shards: dict[str, Path] = {}
        for place in (place for text in named for one in expand(text, option) for place in _matching(one, option)):
            remote = _is_address(place)
            label = PurePosixPath(re.split("[?#]", place)[0]).name if remote else Path(place).name
            label = label.removesuffix(".tar")
            if label in shards:
                raise GanzooError(
                    f"{option}: two shards are called {label}, so their samples would have the same names; "
                    "name each once, or rename one"
                )
            shards[label] = self._download(place, label, option) if remote else Path(place)
        return list(shards.items())

    def _download(self, address: str, label: str, option: str) -> Path:
        file = cached_file(address, FOLDER)
        used = sum(one.stat().st_size for one in self.files if one != file)
        left = int(self.limit * GIB) - used
        advice = (
            f"raise data.limit (now {self.limit:g} GiB, of which {format_bytes(used)} are used), name fewer shards, or "
            f"download them yourself and name the files in {option}"
        )
        if not file.is_file() and left <= 0:
            raise MissingResourceError(
                f"{option}: {label}: not downloaded, as other shards take all of the limit; {advice}"
            )
        self.files.add(download_file(address, FOLDER, most=max(left, 1), advice=advice))
        return file


def expand(text: str, option: str) -> list[str]:
    """Return the paths or addresses that a text with ranges stands for.

    Raises GanzooError for a range that goes down, and for more than ``MOST_SHARDS`` shards.

    >>> expand("a-{08..10}.tar", "A")
    ['a-08.tar', 'a-09.tar', 'a-10.tar']
    """
    found = _RANGE.search(text)
    if not found:
        return [text]
    first, last, width = int(found[1]), int(found[2]), len(found[1])
    if not first <= last < first + MOST_SHARDS:
        raise GanzooError(f"{option}: {found[0]} must go up, and may stand for {MOST_SHARDS:,} shards at most")
    rest = expand(text[found.end() :], option)
    if (last - first + 1) * len(rest) > MOST_SHARDS:
        raise GanzooError(f"{option}: {text} stands for more than {MOST_SHARDS:,} shards; name fewer")
    return [f"{text[: found.start()]}{number:0{width}}{end}" for number in range(first, last + 1) for end in rest]


def _matching(text: str, option: str) -> Iterator[str]:
    """Yield a path or address, or what a pattern of paths matches."""
    if _SCHEME.match(text) and not Path(text).exists():
        if not _is_address(text):
            scheme = text.partition(":")[0]
            raise GanzooError(
                f"{option}: {text}: a shard is a file or an address that begins with https:// or http://; {scheme}: is "
                "not read, and nothing that a recipe names is executed"
            )
        yield text
        return
    path = os.path.expanduser(os.path.expandvars(text))
    if os.path.exists(path):
        yield path
        return
    matches = sorted(glob.glob(path)) if glob.has_magic(path) else []
    if not matches:
        raise MissingResourceError(f"{option}: {path}: no such shard; check the path")
    yield from matches


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://"))
