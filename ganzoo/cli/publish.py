"""The command ``ganzoo publish``: write a folder that translates without the run, and upload it to the hub."""

from __future__ import annotations

from pathlib import Path

import click

from ganzoo.cli.arguments import PATH, echo


@click.command("publish")
@click.argument("run", type=PATH)
@click.option("-o", "--out", type=PATH, help="The folder to write; without it, RUN is a published folder.")
@click.option("--to", default="", metavar="USER/NAME", help="Upload to the Hugging Face hub under this name.")
@click.option("--public", is_flag=True, help="Create the model public; by default only you can see a new one.")
@click.option("--license", "licence", default="", help="Licence of the weights: apache-2.0, cc-by-nc-4.0, other, ….")
@click.option("--dataset", "datasets", multiple=True, help="The name of a data set on the hub. Repeatable.")
@click.option("--with-samples", is_flag=True, help="Include the latest sample grid, which shows images of your data.")
@click.option("--checkpoint", default="", help="last, best or step-N.  [default: best if there is one, else last]")
def publish_command(
    run: Path,
    out: Path | None,
    to: str,
    public: bool,
    licence: str,
    datasets: tuple[str, ...],
    with_samples: bool,
    checkpoint: str,
) -> None:
    """Publish RUN: write its generators, recipe, metric values and a model card to a folder, and upload that.

    The folder has no discriminators, no images (but for --with-samples) and no paths of this machine. It can be used
    like a run to translate, export and evaluate. Look at it, and change README.md as you like, before you upload it:
    ganzoo publish FOLDER --to USER/NAME.
    """
    import ganzoo

    page = ganzoo.publish(
        run,
        out,
        to=to,
        public=public,
        licence=licence,
        datasets=datasets,
        with_samples=with_samples,
        checkpoint=checkpoint,
    )
    if out:
        echo(f"{out}: published; README.md is its model card")
    if page:
        from ganzoo.inference.publish import other_files

        if others := other_files(out or run):
            click.echo(f"not uploaded, as ganzoo publish did not write them: {', '.join(others)}", err=True)
        echo(f"{page}: uploaded; a new model is {'public' if public else 'private, until you change that on its page'}")
