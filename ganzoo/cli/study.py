"""The command ``ganzoo study``: a page that asks people about translations, and the percentages of their answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ganzoo.cli.arguments import AS_JSON, DEVICE, PATH, echo
from ganzoo.cli.notices import note_failed_plugins


class StudyGroup(click.Group):
    """A group whose words are those of ``make`` unless they begin with the name of a command."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``make`` before the words, if they are its arguments."""
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["make", *args]
        return super().parse_args(ctx, args)


@click.group("study", cls=StudyGroup)
def study_command() -> None:
    """Ask people about translations: ``ganzoo study RUNS... -o FOLDER`` writes a page.

    FOLDER/index.html is one file that needs no server and no network. Participants open it and save their answers;
    FOLDER/key.json, which says what each trial showed, stays with you. ``ganzoo study make --help`` lists the options.
    """


@study_command.command("make")
@click.argument("runs", nargs=-1, required=True, type=PATH, metavar="RUNS...")
@click.option("-o", "--out", type=PATH, required=True, help="The folder for the page and its key.")
@click.option(
    "--task",
    type=click.Choice(["real-or-fake", "better"]),
    default="real-or-fake",
    show_default=True,
    help="A translation beside a real image, or two runs' translations of one image.",
)
@click.option("--real", type=PATH, help="The folder of real images.  [default: those of the first run's data]")
@click.option(
    "--trials",
    default=40,
    show_default=True,
    type=click.IntRange(1),
    help="Trials that count, for each run or pair of runs.",
)
@click.option(
    "--practice", default=10, show_default=True, type=click.IntRange(0), help="Trials before those that count."
)
@click.option(
    "--seconds", default=1.0, show_default=True, type=click.FloatRange(0), help="How long images are shown; 0: always."
)
@click.option("--question", default="", help="What the page asks.  [default: a question for the task]")
@click.option(
    "--side", default=256, show_default=True, type=click.IntRange(0), help="Shorter side of images, px; 0: unscaled."
)
@click.option("--direction", type=click.Choice(["AB", "BA"]), help="Direction of runs.  [default: the method's first]")
@click.option("--checkpoint", default="", help="Checkpoint of runs.  [default: best if there is one, else last]")
@click.option("--seed", default=0, show_default=True, help="Seed that chooses the images and the sides.")
@DEVICE
def make_command(runs: tuple[Path, ...], out: Path, task: Any, real: Path | None, **options: Any) -> None:
    """Write the page of a study of RUNS: folders of runs, or of translated images.

    A run translates the test images of its data. The translations of folders match by their names.
    """
    from ganzoo.evaluation.study.make import make_study

    note_failed_plugins()
    make_study(runs, out, task=task, real=real, **options)


@study_command.command("results")
@click.argument("folder", type=PATH)
@click.argument("answers", nargs=-1, required=True, type=PATH)
@AS_JSON
def results_command(folder: Path, answers: tuple[Path, ...], as_json: bool) -> None:
    """Print percentages of the ANSWERS to the study of FOLDER: files that the page saved, or folders of them."""
    from dataclasses import asdict

    from ganzoo.evaluation.study.files import read_answers, read_key
    from ganzoo.evaluation.study.results import results
    from ganzoo.utils.jsonl import to_json

    key = read_key(folder)
    found = results(key, read_answers(answers, key))
    if as_json:
        click.echo(to_json([asdict(one) for one in found], indent=1))
        return
    chosen = "taken for real" if key.task == "real-or-fake" else "chosen as better"
    width = max(len(one.label) for one in found)
    echo(f"{'':{width}}  {chosen}, %  (95 % interval)")
    for one in found:
        people = f"{one.answers} answers of {one.participants} participant{'s' * (one.participants != 1)}"
        value = f"{one.percent:5.1f}  ({one.low:.1f} to {one.high:.1f})" if one.answers else "  —"
        echo(f"{one.label:{width}}  {value}  {people}")
