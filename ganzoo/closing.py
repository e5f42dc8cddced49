"""The panel at the end of a run: its figures, where things are, what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ganzoo.runs import Run


def closing_panel(run: Run, results: list[dict[str, Any]]) -> None:
    """Print the closing figures beside those of the untrained network, the places of things, the next commands."""
    lines = []
    untrained: dict[str, float] = next((one["figures"] for one in run.lines if one["step"] == 0), {})
    for result in results:
        counts = ", ".join(f"{count} {domain}" for domain, count in result["pictures"].items())
        lines.append(f"{result['checkpoint']}, of step {result['trained']}, on the {result['split']} split ({counts}):")
        for name, value in result["figures"].items():
            before = f"(untrained, on validation: {untrained[name]:.4g})" if name in untrained else ""
            lines.append(f"  {name:<24} {value:<8.4g} {before}".rstrip())
    grids = sorted((run.folder / "samples").glob("*.png"))
    if grids:
        lines.append(f"pictures     {grids[-1]}")
    train = run.recipe.train
    longer = f"train.epochs={2 * train.epochs}" if train.epochs else f"train.steps={2 * run.total}"
    lines += [
        f"weights      {run.checkpoint('last')}",
        f"log          {run.folder / 'metrics.jsonl'}",
        "next:",
        f"  ganzoo translate {shlex.quote(str(run.folder))} PICTURES -o OUT",
        f"  {shlex.join([*run.command, longer])}    (trains on, twice as long)",
    ]
    run.console.panel("done", lines)
