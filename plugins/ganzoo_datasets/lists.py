"""The data set ``lists``: text files that name the images."""

from __future__ import annotations

import os
from pathlib import Path, PurePath

from ganzoo.interfaces import GanzooError, MissingResourceError
from ganzoo_datasets.entry_dataset import EntryDataset
from ganzoo_datasets.files import (
    ChannelsOption,
    Entries,
    Entry,
    RangeOption,
    channels_of,
    hold_out_validation,
    limit_training,
    ranges_of,
)
from ganzoo_datasets.split import Limit, Share


class Lists(EntryDataset):
    """Images that text files list: one path per line, relative to the text file's folder.

    Blank lines and lines that begin with ``#`` are skipped. Each listed image must exist, and a list names no image
    twice.

    Args:
        train_A: the list of A's training images.
        train_B: the list of B's training images.
        test_A: the list of A's test images; optional.
        test_B: the list of B's test images; optional.
        validation_A: the list of A's validation images; optional.
        validation_B: the same for B.
        channels: 1 or 3, or any number for images in ``.npy`` files, for both domains or for each:
            ``{A: 1, B: 3}``; 3 by default.
        range: for images of more than 8 bits, the lowest and the highest value; see ``folders``.
        validation: the share of the training images held out for validation, in a domain without a
            validation list.
        train_limit: the largest number of training images of a domain, chosen at random by name after validation images
            are held out, for tests of how many images a recipe needs; 0: all.
    """

    def __init__(
        self,
        *,
        train_A: Path,
        train_B: Path,
        test_A: Path | None = None,
        test_B: Path | None = None,
        validation_A: Path | None = None,
        validation_B: Path | None = None,
        channels: ChannelsOption | None = None,
        range: RangeOption | None = None,
        validation: Share = 0.1,
        train_limit: Limit = 0,
    ) -> None:
        self.channels = channels_of(channels)
        self.ranges = ranges_of(range, None)
        self.entries: Entries = {
            ("train", "A"): _read_list(train_A),
            ("train", "B"): _read_list(train_B),
            ("test", "A"): _read_list(test_A),
            ("test", "B"): _read_list(test_B),
            ("validation", "A"): _read_list(validation_A),
            ("validation", "B"): _read_list(validation_B),
        }
        hold_out_validation(self.entries, validation)
        limit_training(self.entries, train_limit)


def _read_list(file: Path | None) -> list[Entry]:
    if file is None:
        return []
    file = Path(file)
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise MissingResourceError(f"{file}: no such list; check the path") from error
    except OSError as error:
        raise GanzooError(f"{file}: the list cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise GanzooError(f"{file}: not UTF-8 text ({error.reason}); save the list as UTF-8") from error
    texts = {number: line.strip() for number, line in enumerate(lines, 1)}
    texts = {number: text for number, text in texts.items() if text and not text.startswith("#")}
    paths: dict[str, set[str]] = {}
    for text in texts.values():
        paths.setdefault(_name(text), set()).add(os.path.normpath(text))
    entries: list[Entry] = []
    lines_of: dict[str, int] = {}
    for number, text in texts.items():
        path, name = file.parent / text, _name(text)
        if len(paths[name]) > 1:
            name = _name(text, above="__")
        if not os.path.isfile(path):  # Path.is_file raises OSError for a line that is too long
            raise GanzooError(f"{file}:{number}: no such image: {path}; correct the path or remove the line")
        if name in lines_of:
            raise GanzooError(f"{file}:{number}: {name} is also in line {lines_of[name]}; remove one of them")
        lines_of[name] = number
        entries.append(Entry(path, name))
    if not entries:
        raise GanzooError(f"{file}: the list names no image; write one path a line")
    return entries


def _name(text: str, above: str = "") -> str:
    """Return a path without its root, with ``above`` for each ``..``: the name never leads out of an output folder."""
    path = PurePath(os.path.normpath(text))
    return PurePath(*[above if part == ".." else part for part in path.parts if part != path.anchor]).as_posix()
