"""Write the values of single images to a CSV file; for ``ganzoo evaluate --per-image``."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from ganzoo.errors import GanzooError
from ganzoo.evaluation.metric_calls import Columns
from ganzoo.evaluation.records import Measured
from ganzoo.interfaces import Direction
from ganzoo.utils.atomic import write_atomically
from ganzoo.utils.paths import require_file_place

ABOUT = ("target", "checkpoint", "split", "direction", "image")
"""The first columns, which say which image a row is about."""


class PerImageFile:
    """A CSV file with a row for each image and direction, and a column for each row of a metric that is one number.

    The column is named as the metric, followed by ``.ROW`` if the metric calls its row otherwise. A metric without
    values of single images, or of training images, has no column, and real images of the target domain have none, as
    they belong to no source image; where a metric was not measured, its cells are empty.
    Names of images are quoted as CSV needs it; numbers have all digits of float32.

    Args:
        file: the file; it is replaced at each ``add``, atomically.

    Raises GanzooError if it is a folder, or in a folder that does not exist or cannot be written.
    """

    def __init__(self, file: Path) -> None:
        require_file_place("--per-image", file)
        self.file = file
        self._rows: list[dict[str, str]] = []
        self._columns: dict[str, None] = dict.fromkeys(ABOUT)

    def add(self, measured: Measured) -> None:
        """Add the images of an evaluation, and write the file. Raises GanzooError if it cannot be written."""
        collected = measured.rows
        by_direction: dict[Direction, dict[str, list[float]]] = {}
        for (metric, direction), rows in collected.rows.items():
            if metric in collected.of_training:
                continue
            own = {name: column for name, column in rows.items() if name != f"real_{direction[1]}"}  # another image's
            for name, values in scalar_columns(metric, own).items():
                by_direction.setdefault(direction, {})[name] = values
                self._columns.setdefault(name)
        for direction, columns in by_direction.items():
            for number, image in enumerate(collected.names[direction[0]]):
                about = (str(measured.target), measured.checkpoint, measured.split, direction, image)
                numbers = {name: f"{values[number]:.9g}" for name, values in columns.items()}
                self._rows.append({**dict(zip(ABOUT, about, strict=True)), **numbers})
        self._write()

    def _write(self) -> None:
        text = io.StringIO()
        writer = csv.DictWriter(text, list(self._columns), lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        try:
            write_atomically(self.file, text.getvalue().encode("utf-8", "backslashreplace"))
        except OSError as error:
            raise GanzooError(f"{self.file}: cannot be written: {error.strerror or error}") from None


def scalar_columns(metric: str, rows: Columns) -> dict[str, list[float]]:
    """Return the columns of a metric that have one number for each image, by the name of their column in the file.

    >>> import torch
    >>> scalar_columns("l1", {"l1": torch.ones(2) / 2, "pixels": torch.ones(2, 1), "maps": torch.ones(2, 3)})
    {'l1': [0.5, 0.5], 'l1.pixels': [1.0, 1.0]}
    """
    return {
        name if name == metric else f"{metric}.{name}": column.flatten().tolist()
        for name, column in rows.items()
        if column.numel() == len(column)
    }
