"""Records as JSON lines, and the tables made of them between two markers of a page; shared by what lies beside this."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ganzoo.provenance.fingerprint import portable

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


def train(recipe: str, seed: int, overrides: Sequence[str] = (), image: Path | None = None) -> dict[str, Any]:
    """Run a recipe in a process of its own; return the record, and keep its last sample grid if asked.

    ``before`` are the figures of the untrained networks.
    """
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "ganzoo", "run", f"recipes/{recipe}.yaml", f"train.seed={seed}", *overrides]
        subprocess.run([*command, "--root", folder], cwd=ROOT, check=True)
        seconds = time.perf_counter() - begun
        run = Path(folder) / recipe / "default"
        result = json.loads((run / "results.jsonl").read_text().splitlines()[-1])
        before = next((one["values"] for one in read(run / "metrics.jsonl") if "values" in one), {})
        environment = json.loads((run / "env.json").read_text())
        if image:
            enlarge(sorted((run / "samples").glob("*.png"))[-1], image)
    kept = {name: environment[name] for name in ("ganzoo", "device", "cores", "threads", "packages")}
    record = {**result, "seed": seed, "seconds": round(seconds), "environment": kept, "before": before}
    return {name: portable(value) for name, value in record.items()}


def enlarge(grid: Path, target: Path) -> None:
    """Keep a sample grid, three times as large, for a page."""
    from PIL import Image

    with Image.open(grid) as image:
        larger = image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST)
    target.parent.mkdir(parents=True, exist_ok=True)
    larger.quantize(128).save(target, optimize=True)
