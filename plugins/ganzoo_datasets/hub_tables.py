"""Load tables of images by the package ``datasets``; the data set ``huggingface`` uses it."""

from __future__ import annotations

import glob
import os
import re
import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import Any

from ganzoo.interfaces import GanzooError, ImageFile, MissingResourceError, StoredFile, one_line, suggest
from ganzoo_datasets.archives import has_safe_path, normal_name

BUILDERS = ("parquet", "imagefolder", "arrow", "cache")
"""The readers of ``datasets`` that are used. Others give no images, or decide by a file's content what is executed."""
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


@dataclass(frozen=True)
class RowImage(StoredFile):
    """An image in a table.

    Args:
        where: the name of the table and of the column, for errors.
        row: its row.
        values: the column, whose values are bytes, or mappings with ``bytes``.
    """

    where: str
    row: int
    values: Any = field(compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.where}, row {self.row}"

    def read(self) -> bytes:
        """Return the image file that the table holds."""
        value = self.values[self.row].as_py()
        content: bytes = value["bytes"] if isinstance(value, dict) else value
        return content


@dataclass(frozen=True)
class Table:
    """One split of a data set, on disk.

    Args:
        name: its name, for errors.
        columns: name of a column → a ``pyarrow.ChunkedArray``.
        classes: name of a column → the names of the classes that its numbers stand for.
        files: the files that hold the rows.
        ends: the number of rows in these files and all before them.
        folders: the folders from which files are read whose paths are in the table.
    """

    name: str
    columns: Mapping[str, Any]
    classes: Mapping[str, Sequence[str]]
    files: Sequence[Path]
    ends: Sequence[int]
    folders: Sequence[Path]

    def column(self, name: str, option: str) -> Any:
        """Return a column. Raises GanzooError, which names the option, if there is none of this name."""
        if name not in self.columns:
            raise GanzooError(f"{self.name}: it has no column {name!r}; set {option}{suggest(name, self.columns)}")
        return self.columns[name]

    def images(self, name: str, option: str, rows: Iterable[int]) -> list[ImageFile | None]:
        """Return the images of some rows in a column; None for a row without one.

        Raises GanzooError if there is no such column, if it does not hold images, or if a path in it leads elsewhere
        than into the data set.
        """
        column = self.column(name, option)
        paths, has_bytes = _contents(column)
        if paths is None:
            others = [one for one, values in self.columns.items() if _contents(values)[0] is not None]
            raise GanzooError(
                f"{self.name}: the column {name!r} holds {column.type}, not images; set {option}{suggest(name, others)}"
            )
        where = f"{self.name}, column {name}"
        found: list[ImageFile | None] = []
        for row in rows:
            path = paths[row]
            if has_bytes[row]:
                container = self.files[bisect_right(self.ends, row)]
                found.append(RowImage(container, f"{name}/{row}{_suffix(path)}", where, row, column))
            else:
                found.append(None if path is None else self._own_file(path, f"{where}, row {row}"))
        return found

    def names(self, image: str) -> list[str]:
        """Return a name for each row: the path of its image, if these all differ, else its number.

        The folders that all paths have in common are left out.
        """
        count = len(self.columns[image])
        paths, _ = _contents(self.columns[image])
        given = [normal_name(path) if path else "" for path in paths or []]
        if all(given) and len(given) > 1 and all(name.startswith("/") for name in given):
            given = [os.path.relpath(name, os.path.commonpath(given)) for name in given]
        given = [PurePosixPath(name).name if name.startswith("/") else name for name in given]
        if len(set(given)) == count and all(name and has_safe_path(name) for name in given):
            return given
        return [f"{row:06d}.png" for row in range(count)]

    def _own_file(self, path: str, where: str) -> Path:
        """Return the path of a file that a row names, if it belongs to the data set."""
        file = Path(os.path.abspath(path))
        if not any(file.is_relative_to(folder) for folder in self.folders):
            raise GanzooError(
                f"{where}: it holds a path, {path!r}, that leads out of the data set, and no image; store the images "
                "in the table"
            )
        return file


def load_tables(name: str, config: str | None, revision: str | None) -> dict[str, Table]:
    """Return the splits of a data set by name; what is not in the cache of ``datasets`` is downloaded or converted.

    Args:
        name: a local folder, parquet file or pattern of parquet files, or else a name on the hub, ``USER/NAME``.
        config: the configuration; None for the default one.
        revision: the branch, tag or commit on the hub; None for the newest.

    Raises:
        MissingResourceError: the package ``datasets`` is missing, or there is no such data set or no connection.
        GanzooError: the data set cannot be read, or has no images.
    """
    try:
        import datasets
    except ImportError:
        raise MissingResourceError(
            "the data set huggingface needs the package datasets; pip install 'ganzoo-i2i[huggingface]'"
        ) from None
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    local = _local(name)
    if local is None and not HUB_NAME.fullmatch(name):
        raise MissingResourceError(
            f"{name}: no such file or folder, and no name on the hub (USER/NAME); check the path or the name"
        )
    if local is not None and revision is not None:
        raise GanzooError(f"{name}: revision is set, but this is a local path, which has none; remove revision")
    options: dict[str, Any] = {"name": config, "revision": revision}
    try:
        if local is not None and not local[0].is_dir():
            builder = datasets.load_dataset_builder(
                "parquet", config, data_files={"train": [str(one) for one in local]}
            )
        else:
            builder = datasets.load_dataset_builder(str(local[0].absolute()) if local else name, **options)
        kind = type(builder).__module__.rpartition(".")[2]
        if kind not in BUILDERS:
            advice = "use the data set webdataset" if kind == "webdataset" else "give parquet files or image folders"
            raise GanzooError(f"{name}: it is read by {kind}, which ganzoo does not use; {advice}")
        builder.download_and_prepare()
        splits = builder.as_dataset()
    except (GanzooError, MemoryError):
        raise
    except (FileNotFoundError, ConnectionError) as error:
        raise MissingResourceError(
            f"{name}: {one_line(error)[:300]}; check the name, the connection, and hf auth login"
        ) from error
    except Exception as error:  # the packages raise errors of many types for damaged files and wrong names
        cause = error.__cause__ or error
        raise GanzooError(
            f"{name}: it cannot be loaded ({one_line(cause)[:300]}); check name, config and revision"
        ) from error
    named = [local[0]] if local else _caches(datasets.config)
    # ``datasets`` resolves links in the path of a folder
    folders = [Path(place(one)) for one in named for place in (os.path.abspath, os.path.realpath)]
    return {
        str(split): _table(f"{name}, split {split}", one, builder, str(split), folders) for split, one in splits.items()
    }


def _caches(config: Any) -> list[str | Path]:
    """Return the folders in which ``datasets`` keeps what it downloads."""
    hub = os.environ.get("HF_HUB_CACHE") or Path(config.HF_CACHE_HOME, "hub")
    return [hub, config.HF_DATASETS_CACHE, config.DOWNLOADED_DATASETS_PATH]


def _table(name: str, rows: Any, builder: Any, split: str, folders: Sequence[Path]) -> Table:
    from datasets import ClassLabel

    table = rows.data.table
    files = [Path(one["filename"]) for one in rows.cache_files]
    described = (builder.info.splits or {}).get(split)
    lengths = (described and described.shard_lengths) or []
    if len(lengths) != len(files) or sum(lengths) != table.num_rows:
        files, lengths = files[:1], [table.num_rows]
    return Table(
        name,
        {column: table.column(column) for column in table.column_names},
        {column: one.names for column, one in rows.features.items() if isinstance(one, ClassLabel)},
        files,
        list(accumulate(lengths)),
        folders,
    )


def _local(name: str) -> list[Path] | None:
    """Return the folder, or the parquet files, that a name means; None for a name on the hub."""
    path = Path(os.path.expanduser(os.path.expandvars(name)))
    if os.path.isdir(path):
        return [path]
    files = [path] if os.path.isfile(path) else [Path(one) for one in sorted(glob.glob(str(path)))]
    if not files:
        return None
    wrong = [file for file in files if file.suffix != ".parquet"]
    if wrong:
        raise GanzooError(f"{wrong[0]}: not a .parquet file; give parquet files, or a folder")
    return files


def _contents(column: Any) -> tuple[list[str | None] | None, list[bool]]:
    """Return, for each row of a column, its path, and whether it has bytes; no paths if it does not hold images."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return [None] * len(column), column.is_valid().to_pylist()
    if not pa.types.is_struct(kind) or kind.get_field_index("bytes") < 0:
        return None, []
    paths = pc.struct_field(column, "path").to_pylist() if kind.get_field_index("path") >= 0 else [None] * len(column)
    return paths, pc.struct_field(column, "bytes").is_valid().to_pylist()


def _suffix(path: str | None) -> str:
    """Return the ending of an image's path, if it has a usual one, else an empty text."""
    ending = PurePosixPath(path or "").suffix
    return ending if re.fullmatch(r"\.\w{1,5}", ending, re.ASCII) else ""
