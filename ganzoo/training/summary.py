"""Print the summary at the end of a run: metric values, files and the next commands."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from ganzoo.evaluation.printing import format_interval, remarks
from ganzoo.report import REPORT
from ganzoo.utils.program import program_name
from ganzoo.utils.reading import is_number, mapping

if TYPE_CHECKING:
    from ganzoo.training.run import Run


def print_summary(run: Run, step: int, results: list[dict[str, Any]]) -> None:
    """Print the final values beside those of the untrained networks, the paths of files, and the next commands.

    Args:
        run: the run.
        step: number of finished steps.
        results: the records of the final evaluation.
    """
    lines = []
    first: dict[str, Any] = next((one for one in run.files.metrics if one.get("step") == 0), {})
    untrained = {name: value for name, value in mapping(first.get("values")).items() if is_number(value)}
    for result in results:
        counts = ", ".join(f"{count} {domain}" for domain, count in result["images"].items())
        lines.append(f"{result['checkpoint']}, of step {result['trained']}, on the {result['split']} split ({counts}):")
        for name, value in result["values"].items():
            before = f"(untrained, on {first.get('split')}: {untrained[name]:.4g})" if name in untrained else ""
            interval = format_interval(mapping(result["about"].get(name)))
            lines.append(f"  {name:<24} {value:<8.4g} {interval}{before}".rstrip())
        lines += [f"  {one}" for one in remarks(result["about"])]
    grids = sorted((run.folder / "samples").glob("*.png"))
    if grids:
        lines.append(f"images       {grids[-1]}")
    if (run.folder / REPORT).is_file():
        lines.append(f"report       {run.folder / REPORT}")
    train = run.recipe.train
    epochs, done = train.epochs, -(-step // run.sampler.steps_per_epoch)
    longer = f"train.epochs={2 * max(epochs, done)}" if epochs else f"train.steps={2 * max(run.total, step)}"
    command = [word for word in run.command if not word.startswith(("train.steps=", "train.epochs="))]
    lines += [
        f"weights      {run.files.checkpoint('last')}",
        f"log          {run.folder / 'metrics.jsonl'}",
    ]
    below = [
        "next:",
        f"  {program_name()} translate {shlex.quote(str(run.folder))} IMAGES -o OUT",
    ]
    if run.total:
        below.append(f"  {program_name()} {shlex.join([*command, longer])}    # trains for twice as long")
    run.console.panel("done", lines, below)
