"""Write the tables of docs/speed.md from the newest measurements of one machine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.speed.timing import newest
from ganzoo.bench.page import replace_table

PAGE = Path(__file__).resolve().parents[2] / "docs/speed.md"
MACHINE = "intel-xeon-amx-2-cores"
"""The machine whose measurements the page shows."""
TABLES: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "steps": ("steps", ("method", "size", "contestant"), ("seconds", "process_seconds", "times_as_fast", "peak_mib")),
    "translate": ("translate", ("size", "contestant"), ("images_per_s", "share_of_bare")),
    "evaluation": ("evaluation", ("size", "contestant"), ("images_per_s", "share_of_bare")),
    "reading": ("reading", ("files", "workers"), ("images_per_s",)),
    "startup": ("startup", ("command",), ("seconds", "process_seconds")),
    "formats": ("formats", ("what", "precision", "contestant"), ("milliseconds",)),
    "tiles": (
        "tiles",
        ("tile",),
        ("process_seconds", "tensors_mib", "share_of_whole", "largest_difference", "share_within_one"),
    ),
    "limits": ("limits", ("operation", "precision"), ("gflop_per_s",)),
}
"""Name of a table → the command, the columns that tell rows apart, the measured columns."""


def write(*, check: bool) -> None:
    """Write all tables; with ``check``, raise GanzooError if one is not what the measurements give."""
    for name, (command, keys, values) in TABLES.items():
        rows = newest(command, MACHINE, *keys)
        table = markdown([*keys, *values], [[row[key] for key in (*keys, *values)] for row in rows], len(keys))
        replace_table(PAGE, name, table, command="python benchmarks/speed table", check=check)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]], texts: int) -> str:
    """Return a Markdown table; the first ``texts`` columns are aligned left, the others right."""
    rule = ["---" if i < texts else "---:" for i in range(len(header))]
    shown = [[title.replace("_", " ") for title in header], rule, *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in shown)
