"""Measure how fast ganzoo is: training steps against the textbook step, translation, reading, and start-up.

python benchmarks/speed steps                        each method at its published width, fp32 and bf16, 64 and 128 px
python benchmarks/speed steps --methods cyclegan drit --sizes 256
python benchmarks/speed translate                    files against a bare forward pass
python benchmarks/speed evaluation                   ganzoo evaluate against bare forward passes
python benchmarks/speed reading                      JPEG folders, large photographs, listing of 50,000 files
python benchmarks/speed startup                      seconds until a mistake is reported, and until the first step
python benchmarks/speed formats                      memory formats: whole steps, and norms
python benchmarks/speed limits                       the fastest matrix product and convolution of this machine
python benchmarks/speed tiles                        a large image by tiles against the whole
python benchmarks/speed table [--check]              write the tables of docs/speed.md from the newest measurements

Contestants run in turn (A B A B …), those of steps in a process each; a ratio is the median of the ratios of all
rounds. Let nothing else run beside it. Each command appends to COMMAND-HARDWARE.csv in this folder.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

os.environ.setdefault("GOMP_SPINCOUNT", "20000")  # as the command line sets it
sys.path[0] = str(Path(__file__).resolve().parents[2])

import torch  # noqa: E402

from benchmarks.speed import evaluation, formats, limits, page, reading, startup, steps, tiles, translate  # noqa: E402
from benchmarks.speed.contestants import METHODS  # noqa: E402
from ganzoo import GanzooError  # noqa: E402
from ganzoo.utils.allocator import keep_freed_memory  # noqa: E402

SMALLEST = 212
"""Side of the smallest images that DRIT trains on, in pixels."""


def main() -> None:
    """Run one of the commands."""
    parser = argparse.ArgumentParser(
        prog="python benchmarks/speed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("steps", "translate", "evaluation", "reading", "startup", "formats", "limits", "tiles"):
        command = commands.add_parser(name)
        command.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of torch")
        command.add_argument("--rounds", type=int, default=5, help="rounds; every contestant runs once in each")
        if name == "steps":
            command.add_argument(
                "--methods", nargs="*", default=[one for one in METHODS if one != "drit"], choices=list(METHODS)
            )
            command.add_argument("--sizes", nargs="*", type=int, default=[64, 128], help="sides of images, in pixels")
            command.add_argument("--compiled", action="store_true", help="measure train.compile, too")
        if name == "translate":
            sizes = list(translate.SIZES)
            command.add_argument("--sizes", nargs="*", type=int, default=sizes, choices=sizes, help="likewise")
    commands.add_parser("table").add_argument("--check", action="store_true", help="compare only")
    words = parser.parse_args()
    if words.command == "table":
        try:
            page.write(check=words.check)
        except GanzooError as error:
            sys.exit(f"speed: {error}")
        return
    torch.set_num_threads(words.threads)
    keep_freed_memory()  # as the command line does
    if words.command == "steps":
        if "drit" in words.methods and min(words.sizes) < SMALLEST:
            sys.exit(f"speed: drit needs larger images: --methods drit --sizes 256, or others from {SMALLEST} on")
        steps.measure(words.methods, words.sizes, words.rounds, compiled=words.compiled)
    elif words.command == "translate":
        translate.measure(words.sizes, words.rounds)
    else:
        modules = {
            "evaluation": evaluation,
            "reading": reading,
            "startup": startup,
            "formats": formats,
            "limits": limits,
            "tiles": tiles,
        }
        modules[words.command].measure(words.rounds)


if __name__ == "__main__":
    main()
