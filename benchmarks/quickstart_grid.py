"""Write the README's image: the last sample grid of a run of recipes/quickstart.yaml, three times as large.

python benchmarks/quickstart_grid.py runs/quickstart/default
"""

from __future__ import annotations

import argparse
from pathlib import Path

from PIL import Image

IMAGE = Path(__file__).resolve().parents[1] / "docs/quickstart.png"


def main() -> None:
    """Write the image."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="the run's folder")
    grid = sorted((parser.parse_args().run / "samples").glob("*.png"))[-1]
    with Image.open(grid) as image:
        larger = image.resize((3 * image.width, 3 * image.height), Image.Resampling.NEAREST)
    larger.quantize(128).save(IMAGE, optimize=True)


if __name__ == "__main__":
    main()
