"""The README's table and picture: recipes/quickstart.yaml over three seeds.

python benchmarks/quickstart.py           trains what quickstart.jsonl lacks, writes table and picture
python benchmarks/quickstart.py --check   fails when the README's table is not what the records give

A record holds the closing figures on the 600 held-out digits as the run wrote them, and how long the command took.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RECORDS = ROOT / "benchmarks/quickstart.jsonl"
README = ROOT / "README.md"
PICTURE = ROOT / "docs/quickstart.png"
BEGIN, END = "<!-- quickstart table: made by benchmarks/quickstart.py -->", "<!-- end of quickstart table -->"
SEEDS = (0, 1, 2)
FIGURES = {
    "judged_B": ("judged B by the A/B classifier, %", "judged_B_untranslated"),
    "read": ("read right by the digit classifier, %", "read_untranslated"),
    "background_l1": ("error of the background, L1 on [−1, 1]", ""),
    "pair_l1": ("error against the true pair, L1 on [−1, 1]", ""),
}


def train(recipe: str, seed: int, overrides: Sequence[str] = (), picture: Path | None = None) -> dict[str, Any]:
    """Run a recipe in a process of its own; return the record, and keep its last sample grid if asked."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        command = [sys.executable, "-m", "ganzoo", "run", f"recipes/{recipe}.yaml", f"train.seed={seed}", *overrides]
        subprocess.run([*command, "--root", folder], cwd=ROOT, check=True)
        seconds = time.perf_counter() - begun
        run = Path(folder) / recipe / "default"
        result = json.loads((run / "results.jsonl").read_text().splitlines()[-1])
        environment = json.loads((run / "env.json").read_text())
        if picture:
            enlarge(sorted((run / "samples").glob("*.png"))[-1], picture)
    kept = {name: environment[name] for name in ("ganzoo", "device", "cores", "threads", "packages")}
    return {"seed": seed, "seconds": round(seconds), "environment": kept, **result}


def enlarge(grid: Path, target: Path) -> None:
    """Keep a sample grid, three times as large, for a page."""
    from PIL import Image

    with Image.open(grid) as picture:
        larger = picture.resize((3 * picture.width, 3 * picture.height), Image.Resampling.NEAREST)
    target.parent.mkdir(exist_ok=True)
    larger.quantize(128).save(target, optimize=True)


def table(records: list[dict[str, Any]]) -> str:
    """Return the table in Markdown: a row a figure, a column a seed."""
    head = [f"seed {one['seed']}" for one in records]
    lines = ["| on 600 held-out digits | untranslated | " + " | ".join(head) + " | mean ± std |"]
    lines.append("| --- |" + " ---: |" * (len(records) + 2))
    for name, (label, untranslated) in FIGURES.items():
        values = [one["figures"][name] for one in records]
        digits = 1 if untranslated else 3
        before = f"{records[0]['figures'][untranslated]:.1f}" if untranslated else ""
        cells = [f"{value:.{digits}f}" for value in values]
        mean = f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"
        lines.append(f"| {label} | {before} | {' | '.join(cells)} | {mean} |")
    times = [f"{one['seconds'] // 60}:{one['seconds'] % 60:02}" for one in records]
    lines.append(f"| time of the command, min | | {' | '.join(times)} | |")
    first = records[0]["environment"]
    lines += ["", f"Measured on {first['cores']} cores ({first['device']}), torch {first['packages']['torch']}."]
    return "\n".join(lines)


def main() -> None:
    """Train what is missing and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    records = [json.loads(line) for line in RECORDS.read_text().splitlines()] if RECORDS.is_file() else []
    if not check:
        for seed in set(SEEDS) - {one["seed"] for one in records}:
            records.append(train("quickstart", seed, picture=PICTURE if seed == SEEDS[0] else None))
            records.sort(key=lambda one: one["seed"])
            RECORDS.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records))
    before, rest = README.read_text().split(BEGIN)
    standing, after = rest.split(END)
    made = f"\n{table(records)}\n"
    if check and made != standing:
        sys.exit("README.md: the quickstart table is not what benchmarks/quickstart.jsonl gives: make it anew")
    if not check:
        README.write_text(before + BEGIN + made + END + after)


if __name__ == "__main__":
    main()
