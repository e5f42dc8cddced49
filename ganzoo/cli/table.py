"""The command ``ganzoo table``: print, write or check tables from their records."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, echo


@click.command("table")
@click.argument("specs", nargs=-1, required=True, type=PATH)
@click.option("--scale", default="", help="Another size of the tables, by its name in the specs.")
@click.option("--data", type=PATH, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=PATH, default=Path("runs/bench"), show_default=True, help="The folder of their runs.")
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["markdown", "csv", "latex", "html"]),
    help="The format to print.  [default: markdown]",
)
@click.option("--write", is_flag=True, help="Write the table on the page that SPEC names.")
@click.option("--check", is_flag=True, help="Fail if the table on the page is not what the records give.")
def table_command(
    specs: tuple[Path, ...],
    scale: str,
    data: Path | None,
    root: Path,
    output_format: str | None,
    write: bool,
    check: bool,
) -> None:
    """Print the tables of SPECS from their records; nothing is run.

    With --write or --check, the tables on their pages are written or checked instead. Without --scale all sizes of the
    tables are checked, also after one that differs; a table that was never run and is on no page is only named.
    """
    from ganzoo.bench.page import current_table, is_unused, update_page
    from ganzoo.bench.render import FORMATS
    from ganzoo.bench.spec import read_spec, resolve_places
    from ganzoo.errors import GanzooError

    options = [name for name, value in (("--format", output_format), ("--write", write), ("--check", check)) if value]
    if len(options) > 1:
        raise GanzooError(f"{' and '.join(options)}: give one of them: a table is printed, written or checked")
    places, errors = resolve_places(root, data), []
    for spec in specs:
        bench = read_spec(spec, scale)
        if not check:
            if write:
                update_page(bench, places, check=False)
            else:
                echo(FORMATS[output_format or "markdown"](current_table(bench, places)))
            continue
        for one in (bench, *(read_spec(spec, name) for name in bench.spec.scales)):
            try:
                if is_unused(one):
                    click.echo(f"not run, and on no page: {one.name}", err=True)
                else:
                    update_page(one, places, check=True)
            except GanzooError as error:
                errors.append(error)
    if errors:
        raise errors[0] if len(errors) == 1 else GanzooError("\n".join(map(str, errors)))
