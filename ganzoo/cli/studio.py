"""The command ``ganzoo studio``: a web page to translate images with trained runs, and to watch runs that train."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import DEVICE, PATH, PRECISION
from ganzoo.cli.notices import note_failed_plugins


@click.command("studio")
@click.argument("runs", nargs=-1)
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on; others need the token.")
@click.option("--port", default=7860, show_default=True, type=click.IntRange(0, 65535), help="0: any free port.")
@click.option(
    "--token", default="", help="Token that browsers need.  [default: none on this machine, else a random one]"
)
@click.option(
    "--idle", default=600, show_default=True, type=click.IntRange(1), help="Seconds until unused networks are freed."
)
@click.option("--max-upload", default=100, show_default=True, type=click.IntRange(1), help="Largest upload, in MiB.")
@click.option("--recipes", type=PATH, default=Path("recipes"), show_default=True, help="Folder for recipes it writes.")
@PRECISION
@DEVICE
def studio_command(
    runs: tuple[str, ...],
    host: str,
    port: int,
    token: str,
    idle: int,
    max_upload: int,
    recipes: Path,
    precision: str,
    device: str,
) -> None:
    """Open a web page for RUNS: translate images, paint masks, change styles, compare runs, watch training.

    RUNS are runs, folders of them (default: runs), published folders, or models on the hub (hf:USER/NAME). The page can
    read no other folder. It listens on this machine only, unless --host says otherwise. Needs pip install
    'ganzoo-i2i[studio]'.
    """
    note_failed_plugins()
    from ganzoo.studio.server import run_studio

    run_studio(
        runs or ("runs",),
        host=host,
        port=port,
        token=token,
        device=device,
        precision=precision,
        idle=idle,
        largest=max_upload,
        recipes=recipes,
    )
