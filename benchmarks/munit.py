"""The table of docs/munit.md: what MUNIT's styles do to digits and to faces, beside what an untrained network does.

python benchmarks/munit.py             trains what munit.jsonl lacks (some minutes each), writes the table
python benchmarks/munit.py --check     fails when the page's table is not what the records give

Digits are embedded; faces are those of GANZOO_DATA (by default ../shared/data), celebamask. LPIPS looks with SqueezeNet
1.1 of ../shared/weights. A record holds the figures of the untrained networks on validation images and the closing
ones on held-out images, as the run wrote them.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from pages import ROOT, read, settle, train, write

DATA = Path(os.environ.get("GANZOO_DATA", ROOT.parent / "shared/data"))
LPIPS = f"{{metric: lpips_diversity, net: squeeze, weights: {DATA.parent / 'weights/squeezenet1_1_fp16.pth'}}}"
RECORDS = ROOT / "benchmarks/munit.jsonl"
PAGE = ROOT / "docs/munit.md"
FACES = DATA / "celebamask"
RUNS: dict[str, list[str]] = {
    "munit_digits": [f"evaluate.metrics=[digits, style_share, style_recovery, {LPIPS}]"],
    "munit_faces_small": [
        f"data.A={FACES / 'train/masks'}",
        f"data.B={FACES / 'train/images'}",
        f"data.test_A={FACES / 'test/masks'}",
        f"data.test_B={FACES / 'test/images'}",
        f"evaluate.metrics=[style_share, style_recovery, {LPIPS}]",
    ],
}
FIGURES = {
    "style_share": "share of the look that is the style's",
    "content_share": "share that is the image's",
    "style_r2": "R² of the style found in a translation",
    "lpips_diversity": "LPIPS between styles (SqueezeNet)",
    "classified_B": "judged B, %",
}
WAYS = {"AB": "A → B", "BA": "B → A"}


def table(records: list[dict[str, Any]]) -> str:
    """Return the table in Markdown: a row a figure and direction, untrained and trained networks side by side."""
    lines = ["| recipe | figure | direction | untrained | trained |", "| --- | --- | --- | ---: | ---: |"]
    for one in records:
        for name, label in FIGURES.items():
            for way, said in WAYS.items():
                key = next((key for key in (f"{name}_{way}", name) if key in one["values"]), "")
                if not key or (key == name and way != "AB"):
                    continue
                digits = 1 if name == "classified_B" else 3
                cells = [f"{figures[key]:.{digits}f}" for figures in (one["before"], one["values"])]
                lines.append(f"| `{one['recipe']}` | {label} | {said} | {' | '.join(cells)} |")
    for one in records:
        counts = " + ".join(str(count) for count in one["images"].values())
        lines += ["", f"`{one['recipe']}`: {one['step']} steps, seed {one['seed']}, {counts} held-out images, "]
        lines[-1] += f"{one['seconds'] // 60}:{one['seconds'] % 60:02} with {one['environment']['threads']} thread."
    return "\n".join(lines)


def main() -> None:
    """Train what is missing and write, or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--only", nargs="*", default=list(RUNS), choices=list(RUNS), help="train these only")
    given = parser.parse_args()
    there = {one["recipe"] for one in read(RECORDS)}
    for recipe in [] if given.check else [one for one in given.only if one not in there]:
        record = {"recipe": recipe, **train(recipe, 0, [*RUNS[recipe], "evaluate.every=0"])}
        order = list(RUNS)
        write(RECORDS, sorted([*read(RECORDS), record], key=lambda one: order.index(one["recipe"])))
    settle(PAGE, "munit", RECORDS, table, check=given.check)


if __name__ == "__main__":
    main()
