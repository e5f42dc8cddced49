"""Write docs/reference/*.md from the program, or check that they are what it would write.

python -m tools.reference            # write
python -m tools.reference --check    # exit code 1, and names, if a page is outdated
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail if a page is outdated.")
@click.option("--folder", type=click.Path(path_type=Path), help="The folder of the pages.  [default: docs/reference]")
def main(check: bool, folder: Path | None) -> None:
    """Write the reference pages of all that ships with ganzoo; plugins of others are left out."""
    from ganzoo.plugins import GROUP, checkout

    os.environ["GANZOO_PLUGINS"] = ",".join(checkout()["entry-points"][GROUP])
    from tools.reference.markdown import FOLDER
    from tools.reference.pages import write_pages

    target = folder or FOLDER
    pages = write_pages()
    there = {file.name: file.read_text(encoding="utf-8") for file in target.glob("*.md")}
    outdated = sorted(name for name in {*pages, *there} if pages.get(name) != there.get(name))
    if check:
        if outdated:
            sys.exit(f"docs/reference is outdated ({', '.join(outdated)}): run make reference")
        return
    target.mkdir(exist_ok=True)
    for name in outdated:
        if name in pages:
            (target / name).write_text(pages[name], encoding="utf-8")
        else:
            (target / name).unlink()
    print(f"{len(outdated)} of {len(pages)} pages written" if outdated else "all pages are up to date")


if __name__ == "__main__":
    main()
