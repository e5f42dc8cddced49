"""The table of docs/art2real.md: what Art2Real's term does to Monet's paintings, against none, over three seeds.

python benchmarks/art2real.py             trains what art2real.jsonl lacks (some minutes each), writes the table
python benchmarks/art2real.py --check     fails when the page's table is not what the records give

It wants GANZOO_DATA (by default ../shared/data) with monet2photo: 300 paintings, 220 photographs. A record holds the
closing figures on the held-out paintings as the run wrote them. ``contextual`` is measured against a bank of
photographs that the training did not see.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from itertools import product
from pathlib import Path
from typing import Any

import yaml
from pages import ROOT, read, settle, train, write

DATA = Path(os.environ.get("GANZOO_DATA", ROOT.parent / "shared/data")) / "monet2photo"
RECORDS = ROOT / "benchmarks/art2real.jsonl"
PAGE = ROOT / "docs/art2real.md"
SEEDS = (0, 1, 2)
WEIGHTS = (0.0, 0.1)
RECIPE = "art2real_monet_small"
FIGURES = {"contextual": 2, "cycle_l1_AB": 3, "cycle_l1_BA": 3}


def build_banks(folder: Path) -> tuple[Path, Path]:
    """Build the banks of the training photographs and of the held-out ones, with the recipe's classes."""
    masker = yaml.safe_load((ROOT / "recipes/art2real_monet.yaml").read_text())["maskers"]["labels"]
    banks = folder / "train", folder / "test"
    for photographs, bank in zip(("trainB", "testB"), banks, strict=True):
        text = yaml.safe_dump(masker, sort_keys=False)  # the order of the classes is their numbers
        words = [str(DATA / photographs), "-o", str(bank), "--size", "64", "--masker", text]
        subprocess.run([sys.executable, "-m", "ganzoo", "bank", "build", *words], cwd=ROOT, check=True)
    return banks


def table(records: list[dict[str, Any]]) -> str:
    """Return the table in Markdown: a row a weight and seed, and the mean of each weight."""
    lines = ["| λ | seed | contextual, held-out photographs | cycle L1, paintings | cycle L1, photographs |"]
    lines.append("| ---: | --- |" + " ---: |" * 3)
    for weight in WEIGHTS:
        found = [one for one in records if one["weight"] == weight]
        for one in found:
            cells = [f"{one['values'][name]:.{digits}f}" for name, digits in FIGURES.items()]
            lines.append(f"| {weight:g} | {one['seed']} | {' | '.join(cells)} |")
        if len(found) > 1:
            columns = [([one["values"][name] for one in found], digits) for name, digits in FIGURES.items()]
            cells = [f"{statistics.mean(some):.{n}f} ± {statistics.stdev(some):.{n}f}" for some, n in columns]
            lines.append(f"| **{weight:g}** | mean ± std | {' | '.join(cells)} |")
    first = records[0]
    minutes = statistics.mean(one["seconds"] for one in records) / 60
    counts = f"{first['images']['A']} held-out paintings, {first['images']['B']} photographs"
    lines += ["", f"{first['step']} steps of 4 images of 64 pixels; {counts}; {minutes:.0f} minutes a run with "]
    lines[-1] += f"{first['environment']['threads']} thread, torch {first['environment']['packages']['torch']}."
    return "\n".join(lines)


def main() -> None:
    """Train what is missing and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--seeds", type=int, nargs="*", default=SEEDS, help="train these only")
    given = parser.parse_args()
    there = {(one["seed"], one["weight"]) for one in read(RECORDS)}
    wanted = [one for one in product(given.seeds, WEIGHTS) if one not in there]
    if wanted and not given.check:
        with tempfile.TemporaryDirectory() as folder:
            own, held_out = build_banks(Path(folder))
            metrics = f"[cycle_l1, {{metric: contextual, bank: {held_out}}}]"
            alike = [f"data.root={DATA}", f"method.bank={own}", f"evaluate.metrics={metrics}", "evaluate.best=null"]
            for seed, weight in wanted:
                overrides = [*alike, "evaluate.every=0", f"method.contextual={weight}"]
                record = {"weight": weight, **train(RECIPE, seed, overrides)}
                write(RECORDS, sorted([*read(RECORDS), record], key=lambda one: (one["weight"], one["seed"])))
    settle(PAGE, "art2real", RECORDS, table, check=given.check)


if __name__ == "__main__":
    main()
