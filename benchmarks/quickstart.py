"""The README's table and image: recipes/quickstart.yaml over three seeds.

python benchmarks/quickstart.py           trains what quickstart.jsonl lacks, writes table and image
python benchmarks/quickstart.py --check   fails when the README's table is not what the records give

A record holds the closing figures on the 600 held-out digits as the run wrote them, and how long the command took.
"""

from __future__ import annotations

import argparse
import statistics
from typing import Any

from pages import ROOT, read, settle, train, write

RECORDS = ROOT / "benchmarks/quickstart.jsonl"
README = ROOT / "README.md"
IMAGE = ROOT / "docs/quickstart.png"
SEEDS = (0, 1, 2)
FIGURES = {
    "classified_B": ("judged B by the A/B classifier, %", "classified_B_untranslated"),
    "read": ("read right by the digit classifier, %", "read_untranslated"),
    "background_l1": ("error of the background, L1 on [−1, 1]", ""),
    "pair_l1": ("error against the true pair, L1 on [−1, 1]", ""),
}


def table(records: list[dict[str, Any]]) -> str:
    """Return the table in Markdown: a row a figure, a column a seed."""
    head = [f"seed {one['seed']}" for one in records]
    lines = ["| on 600 held-out digits | untranslated | " + " | ".join(head) + " | mean ± std |"]
    lines.append("| --- |" + " ---: |" * (len(records) + 2))
    for name, (label, untranslated) in FIGURES.items():
        values = [one["values"][name] for one in records]
        digits = 1 if untranslated else 3
        before = f"{records[0]['values'][untranslated]:.1f}" if untranslated else ""
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
    records = read(RECORDS)
    if not check:
        for seed in set(SEEDS) - {one["seed"] for one in records}:
            records.append(train("quickstart", seed, image=IMAGE if seed == SEEDS[0] else None))
            records.sort(key=lambda one: one["seed"])
            write(RECORDS, records)
    settle(README, "quickstart", RECORDS, table, check=check)


if __name__ == "__main__":
    main()
