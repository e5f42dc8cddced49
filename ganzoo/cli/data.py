"""The commands ``ganzoo data check`` and ``ganzoo data prepare``: check and convert images before training."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ganzoo.cli.arguments import AS_JSON, echo
from ganzoo.cli.usage_errors import RECIPE_SUFFIXES
from ganzoo.errors import GanzooError

if TYPE_CHECKING:
    from ganzoo.check.data.groups import Source

FAULTS_FOUND = 7
"""The exit code of a check that found faults."""


@click.group("data")
def data_command() -> None:
    """Check and convert images before training."""


@data_command.command("check")
@click.argument("targets", nargs=-1, required=True, metavar="FOLDER [FOLDER_B] | RECIPE [OVERRIDES]...")
@click.option("--paired", is_flag=True, help="Images of A and B with the same name are pairs (folders only).")
@click.option("--classes", type=click.IntRange(2, 256), help="The number of classes in label maps beside images.")
@click.option("--demo", is_flag=True, help="Check the data of the small version that ganzoo run --demo trains.")
@click.option(
    "--ignore", multiple=True, metavar="KIND", help="Do not report findings of this kind, as --json names it."
)
@click.option("--sheet", type=click.Path(path_type=Path), help="A PNG file for samples and near-duplicates.")
@AS_JSON
@click.pass_context
def check_command(
    context: click.Context,
    targets: tuple[str, ...],
    paired: bool,
    classes: int | None,
    demo: bool,
    ignore: tuple[str, ...],
    sheet: Path | None,
    as_json: bool,
) -> None:
    """Check the images of folders, or of a recipe's data set, in all splits.

    FOLDER has trainA and trainB (testA, valA, trainA_masks, … are optional), or train and test, or just images; two
    folders are those of A and B. Reads every file once and reports numbers, sizes, modes and values, files that cannot
    be read, near-duplicates, missing masks, label maps and partners, classes, and unbalanced domains.

    The exit code is 7 if there are faults, and 0 if there are none; remarks do not count.
    """
    from ganzoo.check.data.examine import examine
    from ganzoo.check.data.findings import check_kinds, faults_of
    from ganzoo.check.data.report import as_plain, format_page
    from ganzoo.check.data.sheet import check_name, check_place, draw_sheet
    from ganzoo.utils.console import Console

    check_kinds(ignore)
    if sheet:
        check_name(sheet)
    source = _source(targets, paired=paired, classes=classes or 0, demo=demo)
    if sheet:
        check_place(sheet, source)
    with Console(file=sys.stderr).bar("reading images", sum(len(group.items) for group in source.groups)) as show:
        result = examine(source, show, ignore)
    if sheet:
        draw_sheet(result, sheet)
    if as_json:
        click.echo(json.dumps(as_plain(result), indent=1))
    else:
        echo(format_page(result))
    if faults_of(result.findings):
        context.exit(FAULTS_FOUND)


@data_command.command("prepare")
@click.argument("name", type=click.Choice(["maps", "cityscapes", "celebamask_hq", "wikiart"]))
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--out", type=click.Path(path_type=Path), help="The new folder.  [default: data/NAME]")
@click.option("--fresh", is_flag=True, help="Replace a folder that this command made before.")
def prepare_command(name: str, folder: Path, out: Path | None, fresh: bool) -> None:
    """Convert the downloaded data set in FOLDER to the layout that recipes and tables read.

    Nothing is downloaded, and FOLDER is only read: what is missing there is named, with its origin. The new folder
    appears when it is complete.
    """
    from ganzoo.data.prepare import prepare
    from ganzoo.utils.console import Console

    out = out or Path("data", name)
    console = Console(file=sys.stderr)
    count = prepare(name, folder, out, fresh=fresh, bar=console.bar)
    console.say(f"{out}: {count} images")


def _source(targets: tuple[str, ...], *, paired: bool, classes: int, demo: bool) -> Source:
    """Return what is to be checked. Raises GanzooError for arguments that do not fit together."""
    first = Path(targets[0])
    if first.suffix in RECIPE_SUFFIXES:
        from ganzoo.check.data.recipes import find_images_of

        if paired:
            raise GanzooError("data check: --paired is for folders; the recipe's data set has pairs or has none")
        return find_images_of(first, targets[1:], demo=demo, classes=classes)
    from ganzoo.check.data.folders import find_images_in

    if demo:
        raise GanzooError(f"data check: --demo is for recipes, and {first} is none (*.yaml)")
    if len(targets) > 2:
        raise GanzooError(f"data check: {len(targets)} folders; give one, or two for the domains A and B")
    return find_images_in([Path(one) for one in targets], paired=paired, classes=classes)
