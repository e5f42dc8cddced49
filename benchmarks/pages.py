"""Write tables of JSON lines between two markers of a page, for benchmarks/retrieval.py, which no spec can express."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]


def read(records: Path) -> list[dict[str, Any]]:
    """Return a file's records; none where there is no file."""
    return [json.loads(line) for line in records.read_text(encoding="utf-8").splitlines()] if records.is_file() else []


def write(records: Path, kept: Sequence[dict[str, Any]]) -> None:
    """Write records, a line each."""
    records.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in kept), encoding="utf-8")


def settle(page: Path, name: str, records: Path, table: Callable[[list[dict[str, Any]]], str], *, check: bool) -> None:
    """Put a table between its markers on a page; or, to check, leave with an error when another one stands there.

    Args:
        page: Markdown, with the comments ``<!-- NAME table: … -->`` and ``<!-- end of NAME table -->``.
        name: the table's.
        records: the file that it is made of.
        table: records → Markdown.
        check: whether to compare only.
    """
    found = read(records)
    if not found:
        sys.exit(f"{records.name}: there are no records")
    made, text = f"\n{table(found)}\n", page.read_text(encoding="utf-8")
    markers = re.match(rf"(?s)(.*<!-- {name} table: [^\n]*-->)(.*)(<!-- end of {name} table -->.*)", text)
    if not markers:
        sys.exit(f"{page.name}: the markers of the {name} table are missing")
    before, standing, after = markers.groups()
    if check and standing != made:
        sys.exit(f"{page.name}: the {name} table is not what its records give: make it anew")
    if not check:
        page.write_text(before + made + after, encoding="utf-8")
