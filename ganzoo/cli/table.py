"""ganzoo table."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH


@click.command("table")
@click.argument("specs", nargs=-1, required=True, type=PATH)
@click.option("--scale", default="", help="Another size of the tables, by its name in the specs.")
@click.option("--data", type=PATH, help="The folder that {data} stands for.  [default: GANZOO_DATA]")
@click.option("--root", type=PATH, default=Path("runs/bench"), show_default=True, help="Where their runs are kept.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["markdown", "csv", "latex", "html"]),
    help="Of what is printed.  [default: markdown]",
)
@click.option("--write", is_flag=True, help="Put it on the page that SPEC names.")
@click.option("--check", is_flag=True, help="Fail when the page's table is not what the records give.")
def table_command(
    specs: tuple[Path, ...], scale: str, data: Path | None, root: Path, form: str | None, write: bool, check: bool
) -> None:
    """Render the records of SPECS; nothing is run."""
    from ganzoo.bench.page import current, settle
    from ganzoo.bench.render import FORMATS
    from ganzoo.bench.spec import read_spec, resolve_places
    from ganzoo.errors import GanzooError

    given = [name for name, value in (("--format", form), ("--write", write), ("--check", check)) if value]
    if len(given) > 1:
        raise GanzooError(f"{' and '.join(given)}: give one of them: what is printed, written or checked is one thing")
    places = resolve_places(root, data)
    for spec in specs:
        bench = read_spec(spec, scale)
        if write or check:
            settle(bench, places, check=check)
        else:
            click.echo(FORMATS[form or "markdown"](current(bench, places)))
