"""The table of docs/masks.md: what masks do to the digits whose backgrounds differ, several methods over three seeds.

python benchmarks/masks.py             trains what masks.jsonl lacks (some minutes each), writes the table
python benchmarks/masks.py --check     fails when the page's table is not what the records give

A record holds the closing figures on the 600 held-out digits as the run wrote them. The true masks are the glyphs'.
"""

from __future__ import annotations

import argparse
import statistics
from itertools import product
from typing import Any

from pages import ROOT, read, settle, train, write

RECORDS = ROOT / "benchmarks/masks.jsonl"
PAGE = ROOT / "docs/masks.md"
SEEDS = (0, 1, 2)
STEPS = 480
METHODS = {
    "cyclegan": ("quickstart", []),
    "smcyclegan, true masks": ("sm_digits", []),
    "smcyclegan, true masks in every step": ("sm_digits", ["method.mask_probability=1"]),
    "mask_cyclegan, true masks": ("mask_digits", []),
    "mask_cyclegan, true masks, masked discriminators alone": ("mask_digits", ["method.masked_share=1"]),
    "cyclegan, composite, true masks": ("quickstart", ["maskers.composite=file"]),
    "cyclegan, composite and judge, true masks": (
        "quickstart",
        ["maskers.composite=file", "maskers.discriminator=file"],
    ),
    "cyclegan, composite, learned": ("quickstart", ["maskers.composite={masker: learned, width: 16}"]),
    "smcyclegan, composite learned, judge shared": ("learned_digits", []),
}
FIGURES = {"classified_B": 1, "read": 1, "background_l1": 3, "pair_l1": 3}


def missing(records: list[dict[str, Any]]) -> list[tuple[int, str]]:
    """Return what is to be trained, a whole round of methods before the next seed."""
    there = {(one["seed"], one["method"]) for one in records}
    return [one for one in product(SEEDS, METHODS) if one not in there]


def table(records: list[dict[str, Any]]) -> str:
    """Return the table in Markdown: a row a method, mean ± standard deviation over the seeds."""
    lines = ["| method | seeds | judged B, % | read, % | background L1 | pair L1 |"]
    lines.append("| --- |" + " ---: |" * 5)
    for method in METHODS:
        found = [one for one in records if one["method"] == method]
        if not found:
            continue
        cells = []
        for name, digits in FIGURES.items():
            values = [one["values"][name] for one in found]
            spread = f" ± {statistics.stdev(values):.{digits}f}" if len(values) > 1 else ""
            cells.append(f"{statistics.mean(values):.{digits}f}{spread}")
        lines.append(f"| {method} | {len(found)} | {' | '.join(cells)} |")
    first = records[0]
    lines += ["", f"{STEPS} steps of 16 images, 600 held-out digits; {first['environment']['threads']} thread, "]
    lines[-1] += f"torch {first['environment']['packages']['torch']}."
    return "\n".join(lines)


def main() -> None:
    """Train what is missing and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    given = parser.parse_args()
    records = read(RECORDS)
    for seed, method in [] if given.check else missing(records):
        recipe, overrides = METHODS[method]
        overrides = [*overrides, "data.backgrounds=different", f"train.steps={STEPS}"]
        records.append({"method": method, **train(recipe, seed, overrides)})
        write(RECORDS, records)
    settle(PAGE, "masks", RECORDS, table, check=given.check)


if __name__ == "__main__":
    main()
